/** Many questions to a judge at one time, each finished one a line of the judgment file. */
import { setMaxListeners } from 'node:events';
import { InputError, Interrupted, ProgressMeter, type ProgressListener } from '@selective-dpo/foundation';
import type { AppendedLines } from '../files/appended-lines.js';
import { JudgeFailure } from './judge.js';

/** Something to be judged. */
export interface JudgingTask {
  /** Names it in messages. */
  name: string;
  /** @returns the line to write. @throws JudgeFailure where the judge gave no text. */
  judge(signal: AbortSignal): Promise<object>;
}

export interface JudgingPassOptions {
  /** Tasks under way at one time. */
  concurrency: number;
  /** Judgments that were in the file before. */
  alreadyDone: number;
  /** Calls that were repeated so far, for the progress. */
  repeated?: () => number;
  listener?: ProgressListener | undefined;
  signal?: AbortSignal | undefined;
}

/** So many failures one after the other say that the judge is not there. */
const FAILURES_IN_A_ROW = 10;
/** Failures that are named one by one. */
const FAILURES_NAMED = 3;

/**
 * Judges every task and appends its line. A task without an answer is left out of the file, so that it is asked again by the
 * next pass.
 * @returns how many were left out.
 * @throws InputError where no task will succeed; Interrupted when `signal` stopped it.
 */
export async function judgeTasks(
  tasks: readonly JudgingTask[],
  file: AppendedLines,
  options: JudgingPassOptions,
): Promise<number> {
  const { listener, signal } = options;
  const total = tasks.length + options.alreadyDone;
  const meter = new ProgressMeter('judge', 'judgments', total, options.alreadyDone);
  const failed = new AbortController();
  const ended = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  // Every request listens to it; Node would take more than ten for a leak.
  setMaxListeners(0, ended);
  const failures = new Failures(listener);
  let [next, written] = [0, 0];
  const worker = async (): Promise<void> => {
    while (next < tasks.length && !ended.aborted) {
      const task = tasks[next++]!;
      let line: object;
      try {
        line = await task.judge(ended);
      } catch (error) {
        if (!(error instanceof JudgeFailure)) throw error;
        failures.add(task, error);
        continue;
      }
      failures.inARow = 0;
      await file.append([line]);
      written++;
      listener?.(meter.advance(1, { repeated: options.repeated?.() ?? 0 }));
    }
  };
  const workers = Array.from({ length: Math.min(options.concurrency, tasks.length) }, () =>
    worker().catch((error: unknown) => {
      // The first cause ends the others, whose own errors then say nothing.
      if (!ended.aborted) failed.abort(error);
    }),
  );
  await Promise.all(workers);
  if (failed.signal.aborted) throw failed.signal.reason;
  if (signal?.aborted === true && written + failures.count < tasks.length) {
    throw new Interrupted('stopped; finished judgments are in the file', 'run the same command again');
  }
  return failures.count;
}

class Failures {
  count = 0;
  inARow = 0;

  constructor(private readonly listener: ProgressListener | undefined) {}

  /** @throws InputError `judge-unreachable`. */
  add({ name }: JudgingTask, { message }: JudgeFailure): void {
    this.count++;
    if (++this.inARow >= FAILURES_IN_A_ROW) {
      throw new InputError('judge-unreachable', 'the judge gives no answers', {
        found: message,
        hint: 'see that it runs, then run the same command again: finished judgments are kept',
      });
    }
    if (this.count > FAILURES_NAMED) return;
    this.listener?.({ type: 'notice', code: 'not-judged', message: `${name} is not judged: ${message}` });
  }
}
