/** One run as a process of its own: `sdpo train … --json`. It stops when it is told to, and when this process is gone. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import {
  InputError,
  describeProblem,
  parseShallowJson,
  quoteValue,
  type ProgressEvent,
} from '@selective-dpo/foundation';

/**
 * Environment variable that makes `sdpo` stop at its next safe point when the channel to the process that started it
 * closes: a sweep that is killed leaves no runs behind.
 */
export const STOP_WITH_PARENT = 'SELECTIVE_DPO_STOP_WITH_PARENT';

/** How far a run is. */
export interface RunProgress {
  /** Optimiser steps. */
  done: number;
  total: number;
  stepsPerSecond: number;
  secondsLeft: number | undefined;
  /** Last figures under the names of `metrics.jsonl` with the split in front. */
  figures: Record<string, number>;
}

/** How a process ended. */
export type TrainOutcome =
  | {
      status: 'finished';
      /** Last figures, as in {@link RunProgress}. */
      figures: Record<string, number>;
    }
  | { status: 'stopped' }
  | {
      status: 'failed';
      message: string;
      /** The user can mend it. */
      badInput: boolean;
      /** Codes of the errors it told. */
      codes: string[];
    };

/** What a child's lines told. */
interface Told {
  errors: InputError[];
  figures: Record<string, number>;
}

/** Processes that run: none outlives an exit of this one in haste. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Levels of a line: the event, its figures. */
const MAX_EVENT_DEPTH = 6;
const MAX_STDERR = 4096;

/**
 * Runs a process to its end.
 * @param command the program and its words.
 * @param signal asks the process to stop at its next safe point.
 */
export async function trainInProcess(
  command: readonly string[],
  onProgress: (progress: RunProgress) => void,
  signal: AbortSignal,
): Promise<TrainOutcome> {
  const [program, ...words] = command;
  // A group of its own: Ctrl-C in a terminal goes to this process, which passes it on once.
  const child = spawn(program!, words, {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, [STOP_WITH_PARENT]: '1' },
    detached: true,
    windowsHide: true,
  });
  const stop = () => child.kill('SIGINT');
  signal.addEventListener('abort', stop, { once: true });
  running.add(child);
  try {
    const told: Told = { errors: [], figures: {} };
    createInterface({ input: child.stdout! }).on('line', (line) => hear(line, told, onProgress));
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
      stderr = (stderr + piece).slice(-MAX_STDERR);
    });
    if (signal.aborted) stop();
    const end = await ended(child);
    const { code, by } = end;
    if (code === 0) return { status: 'finished', figures: told.figures };
    if (signal.aborted && (code === 130 || by !== null)) return { status: 'stopped' };
    return {
      status: 'failed',
      message: messageOf(told, stderr, end),
      badInput: code === 2,
      codes: told.errors.map((error) => error.code),
    };
  } finally {
    signal.removeEventListener('abort', stop);
    running.delete(child);
  }
}

/** How a process ended. */
interface End {
  code: number | null;
  by: NodeJS.Signals | null;
  /** Why it could not be started. */
  error?: Error;
}

function ended(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, by: null, error }));
    child.once('close', (code, by) => resolve({ code, by }));
  });
}

/** One line of a child's standard output. */
function hear(line: string, told: Told, onProgress: (progress: RunProgress) => void): void {
  let event: Record<string, unknown>;
  try {
    const value = parseShallowJson(line, MAX_EVENT_DEPTH);
    if (value === null || typeof value !== 'object') return;
    event = value as Record<string, unknown>;
  } catch {
    return;
  }
  const figures = numbersOf(event['figures']);
  if (event['type'] === 'error') {
    const { code, message, ...details } = event as { code: string; message: string };
    // Of a defect the first line; the rest is where in the program.
    told.errors.push(new InputError(code, code === 'defect' ? message.split('\n')[0]! : message, details));
  } else if (event['type'] === 'notice' && event['code'] === 'evaluated') {
    Object.assign(told.figures, withSplit('eval', figures));
  } else if (event['type'] === 'progress' && event['stage'] === 'train') {
    Object.assign(told.figures, withSplit('train', figures));
    const { done, total, ratePerSecond: stepsPerSecond, secondsLeft } = event as unknown as ProgressEvent;
    onProgress({ done, total: total ?? NaN, stepsPerSecond, secondsLeft, figures: { ...told.figures } });
  }
}

function numbersOf(value: unknown): [string, number][] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
}

function withSplit(split: string, figures: [string, number][]): Record<string, number> {
  return Object.fromEntries(figures.map(([name, figure]) => [`${split}/${name}`, figure]));
}

function messageOf({ errors }: Told, stderr: string, { code, by, error }: End): string {
  if (error !== undefined) return `could not be started: ${error.message}`;
  if (errors.length > 0) return errors.map(describeProblem).join(' | ');
  const last = stderr.trim().split('\n').at(-1)!;
  const how = by === null ? `ended with exit code ${code}` : `ended by ${by}`;
  return last === '' ? how : `${how}: ${quoteValue(last)}`;
}
