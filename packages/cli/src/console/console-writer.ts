/**
 * Everything the command line prints. On a terminal, progress is one line that is written over; elsewhere it is a
 * plain line now and then; with --json, standard output holds one JSON object a line and nothing else.
 */
import { Interrupted, describeProblem, problemsOf } from '@selective-dpo/foundation';
import type { NoticeEvent, ProgressEvent } from '@selective-dpo/foundation';
import { formatBytes, formatDuration, formatRate } from './format.js';

/** Where text goes: a stream that knows whether it is a terminal. */
export interface TextStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
  /** More was written than the reader has taken. */
  writableNeedDrain?: boolean;
  /** Nobody reads any more. */
  destroyed?: boolean;
  on?(event: 'drain' | 'close', listener: () => void): unknown;
  off?(event: 'drain' | 'close', listener: () => void): unknown;
}

const TERMINAL_INTERVAL_MS = 100;
const PLAIN_INTERVAL_MS = 5_000;
const JSON_INTERVAL_MS = 1_000;

export class ConsoleWriter {
  private lastProgressAt = -Infinity;
  /** Where a line of progress stands that the next text must not be added to. */
  private openLine: TextStream | undefined;
  private readonly told = new Set<string>();
  /** Lines of the block on the terminal that the next text takes the place of. */
  private blockLines = 0;

  /**
   * @param json one JSON object a line on `out`, nothing for people except errors on `err`.
   * @param now a clock in milliseconds.
   */
  constructor(
    private readonly out: TextStream,
    private readonly err: TextStream,
    readonly json: boolean,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Whether colours and moving lines are welcome. */
  get isTerminal(): boolean {
    return !this.json && this.out.isTTY === true;
  }

  /** Columns of a line. */
  get columns(): number {
    return this.out.columns ?? 80;
  }

  /** Listener for libraries. */
  readonly listen = (event: ProgressEvent | NoticeEvent): void => {
    if (event.type === 'progress') this.progress(event, this.out);
    else if (this.json) this.writeJson(event);
    else this.line(event.message);
  };

  /** Listener of what comes before a command whose standard output is the work itself, such as fetching its model. */
  readonly listenOnError = (event: ProgressEvent | NoticeEvent): void => {
    if (event.type === 'progress') this.progress(event, this.err);
    else if (this.json) this.writeJson(event);
    else {
      this.closeLine();
      this.err.write(`${event.message}\n`);
    }
  };

  /** The figures of a step or an evaluation: every one of them for programs, none for people. */
  readonly metrics = (record: object): void => {
    if (this.json) this.writeJson({ type: 'metrics', ...record });
  };

  /** A line for people. */
  line(text = ''): void {
    if (this.json) return;
    this.closeLine();
    this.out.write(`${text}\n`);
  }

  /** Listener of a command whose standard output is the work itself: what else there is to say goes to standard error. */
  readonly listenAside = (event: ProgressEvent | NoticeEvent): void => {
    if (this.json) this.listen(event);
    else if (event.type === 'notice') this.err.write(`${event.message}\n`);
  };

  /** {@link listenAside} for a notice that many rows would give. */
  once(notice: NoticeEvent): void {
    if (this.told.has(notice.code)) return;
    this.told.add(notice.code);
    this.listenAside(notice);
  }

  /** A piece of a text as it comes, for people; a terminal is not shown control characters out of it. */
  piece(text: string): void {
    if (!this.json) this.out.write(this.isTerminal ? withoutControls(text) : text);
  }

  /** Waits for a slow reader, so that what was found does not pile up in memory. Returns whether there is still one. */
  async reader(): Promise<boolean> {
    const { out } = this;
    if (out.writableNeedDrain === true) {
      await new Promise<void>((resolve) => {
        const goOn = (): void => {
          for (const event of ['drain', 'close'] as const) out.off?.(event, goOn);
          resolve();
        };
        for (const event of ['drain', 'close'] as const) out.on?.(event, goOn);
      });
    }
    return out.destroyed !== true;
  }

  /** What a command found: an object for programs, lines for people. */
  result(value: object, lines: readonly string[]): void {
    if (this.json) this.writeJson({ type: 'result', ...value });
    else for (const line of lines) this.line(line);
  }

  /** Something that happened: an object for programs, a line for people if there is one. */
  event(value: object, line?: string): void {
    if (this.json) this.writeJson(value);
    else if (line !== undefined) this.line(line);
  }

  /**
   * Lines on a terminal that whatever comes next takes the place of, cut to its width; ten times a second at most. Elsewhere
   * nothing.
   */
  block(lines: () => readonly string[]): void {
    if (!this.isTerminal || this.tooSoon(TERMINAL_INTERVAL_MS)) return;
    this.closeLine();
    const width = (this.out.columns ?? 80) - 1;
    const shown = lines().map((line) => line.slice(0, width));
    this.out.write(shown.join('\n'));
    this.blockLines = shown.length;
  }

  /** One line a problem on standard error, an object each with --json. Returns the exit code. */
  failure(error: unknown): number {
    this.closeLine();
    const problems = problemsOf(error);
    if (problems !== undefined) {
      for (const problem of problems) {
        if (this.json) {
          this.writeJson({ type: 'error', code: problem.code, message: problem.message, ...problem.details });
        }
        this.err.write(`error: ${describeProblem(problem)}\n`);
      }
      return 2;
    }
    if (error instanceof Interrupted) {
      if (this.json) this.writeJson({ type: 'interrupted', message: error.message, resume: error.resume });
      this.err.write(`${error.message}; to go on: ${error.resume}\n`);
      return 130;
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (this.json) this.writeJson({ type: 'error', code: 'defect', message: text });
    this.err.write(`this is a defect of selective-dpo, please report it:\n${text}\n`);
    return 1;
  }

  private progress(event: ProgressEvent, stream: TextStream): void {
    const ended = event.total !== undefined && event.done >= event.total;
    const lines = stream.isTTY === true ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS;
    if (this.tooSoon(this.json ? JSON_INTERVAL_MS : lines) && !ended) return;
    if (this.json) {
      this.writeJson(event);
      return;
    }
    if (stream.isTTY !== true) {
      stream.write(`${describeProgress(event)}\n`);
      return;
    }
    stream.write(`\r\u001b[2K${describeProgress(event, (stream.columns ?? 80) - 1)}`);
    this.openLine = stream;
    if (ended) this.closeLine();
  }

  /** Whether something was shown less than so long ago; if not, something is shown now. */
  private tooSoon(interval: number): boolean {
    const now = this.now();
    if (now - this.lastProgressAt < interval) return true;
    this.lastProgressAt = now;
    return false;
  }

  private closeLine(): void {
    this.openLine?.write('\n');
    this.openLine = undefined;
    // Up to the block's first line, each line erased.
    if (this.blockLines > 0) {
      this.out.write(`\r\u001b[2K${'\u001b[1A\u001b[2K'.repeat(this.blockLines - 1)}`);
    }
    this.blockLines = 0;
  }

  private writeJson(value: object): void {
    this.out.write(`${JSON.stringify(value)}\n`);
  }
}

/** A model or a file may hold what a terminal takes for a command. */
export function withoutControls(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\uFFFD');
}

/** Parts that do not fit a width are left out whole, the last first: a number cut short would be another number. */
function describeProgress(event: ProgressEvent, width = Infinity): string {
  const { stage, done, total, unit, ratePerSecond, secondsLeft, figures } = event;
  const isBytes = unit === 'bytes';
  const parts = [
    ...(isBytes
      ? [total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`]
      : [total === undefined ? `${done} ${unit}` : `${done}/${total} ${unit}`]),
    total === undefined || total === 0 ? '' : `${Math.floor((100 * done) / total)}%`,
    isBytes ? `${formatBytes(Math.round(ratePerSecond))}/s` : `${formatRate(ratePerSecond)} ${unit}/s`,
    secondsLeft === undefined ? '' : `${formatDuration(secondsLeft)} left`,
    ...Object.entries(figures ?? {}).map(([name, value]) => `${name} ${formatRate(value)}`),
  ].filter((part) => part !== '');
  const text = (count: number): string => `${stage}: ${parts.slice(0, count).join(' · ')}`;
  let shown = parts.length;
  while (shown > 1 && text(shown).length > width) shown--;
  return text(shown).slice(0, Number.isFinite(width) ? width : undefined);
}
