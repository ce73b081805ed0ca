/**
 * Runs the cases of a target in processes of their own, with a watchdog and a limit on memory. A case that was slow, large or
 * ended its process is run once more by itself: only what happens twice is reported.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InputError, makeFolder } from '@selective-dpo/foundation';
import { isFailure, type Outcome } from './outcome.js';
import { MAX_CASE_MS, type FuzzTarget } from './target.js';

export interface RunOptions {
  /** File URL of the module that has the target in its list `targets`. */
  module: string;
  cases: number;
  seed: number;
  /** First number of a case. Default 0. */
  first?: number;
  /** A folder for the files of the cases; it is removed at the end. */
  folder: string;
  signal?: AbortSignal;
  onOutcome?: (outcome: Outcome) => void;
}

export interface TargetResult {
  target: string;
  cases: number;
  /** Number of outcomes by kind, and by code where refused. */
  counts: Map<string, number>;
  failures: Outcome[];
  /** Of one case. */
  mostCpuMs: number;
  mostMemoryMiB: number;
  /** Valid inputs that were not read; none where all is well. */
  badSeeds: string[];
}

/** Time for a process to start and to read the seeds, in milliseconds. */
const START_MS = 60_000;
/** When a case runs by itself, so long at most: the machine may be busy. */
const ALONE_MS = 15_000;
/** Of the heap, beyond the limit of memory: the limit is what is measured, this what ends the process. */
const HEAP_MARGIN_MIB = 256;

/** Runs cases `first` … `first + cases`. @throws InputError `not-built`; the signal's reason. */
export async function runTarget(target: FuzzTarget, options: RunOptions): Promise<TargetResult> {
  const { cases, first = 0, onOutcome } = options;
  const result: TargetResult = {
    ...{ target: target.name, cases, counts: new Map(), failures: [], badSeeds: [] },
    ...{ mostCpuMs: 0, mostMemoryMiB: 0 },
  };
  const end = first + cases;
  const take = (outcome: Outcome): void => {
    const { kind, detail, cpuMs, memoryMiB } = outcome;
    const key = kind === 'refused' ? `refused ${detail}` : kind;
    result.counts.set(key, (result.counts.get(key) ?? 0) + 1);
    result.mostCpuMs = Math.max(result.mostCpuMs, cpuMs);
    result.mostMemoryMiB = Math.max(result.mostMemoryMiB, memoryMiB);
    if (isFailure(outcome)) result.failures.push(outcome);
    onOutcome?.(outcome);
  };
  for (let next = first; next < end;) {
    options.signal?.throwIfAborted();
    const part = await runPart(target, options, next, end, MAX_CASE_MS);
    if (next === first) result.badSeeds.push(...part.badSeeds);
    for (const outcome of part.outcomes) take(outcome);
    next += part.outcomes.length;
    if (part.suspect === undefined) continue;
    take(await confirmed(target, options, next, part.suspect));
    next++;
  }
  return result;
}

interface Part {
  outcomes: Outcome[];
  badSeeds: string[];
  /** What seemed to be wrong with the case behind them. */
  suspect?: Outcome;
}

/** The case by itself. */
async function confirmed(
  target: FuzzTarget,
  options: RunOptions,
  index: number,
  suspect: Outcome,
): Promise<Outcome> {
  const { outcomes, suspect: again } = await runPart(target, options, index, index + 1, ALONE_MS);
  const [alone] = outcomes;
  if (alone === undefined) return again ?? suspect;
  if (alone.cpuMs <= MAX_CASE_MS) return alone;
  return { ...alone, kind: 'hang', detail: `${Math.round(alone.cpuMs)} ms of computing` };
}

/** Cases until one is suspect, or all are done. */
async function runPart(
  target: FuzzTarget,
  { module, seed, folder, signal }: RunOptions,
  first: number,
  end: number,
  limitMs: number,
): Promise<Part> {
  await rm(folder, { recursive: true, force: true });
  await makeFolder(folder);
  const child = fork(processPath(), [module, target.name, String(seed), String(first), String(end), folder], {
    execArgv: [`--max-old-space-size=${target.memoryMiB + HEAP_MARGIN_MIB}`],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  const stop = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const part = await partOf(child, target, first, end, limitMs);
    signal?.throwIfAborted();
    return part;
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function partOf(
  child: ChildProcess,
  target: FuzzTarget,
  first: number,
  end: number,
  limitMs: number,
): Promise<Part> {
  const part: Part = { outcomes: [], badSeeds: [] };
  let said = '';
  child.stderr?.on('data', (piece: Buffer) => (said = (said + piece.toString()).slice(-8000)));
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout;
    const suspect = (
      kind: 'hang' | 'memory' | 'crash',
      detail: string,
      more: Partial<Outcome> = {},
    ): void => {
      clearTimeout(timer);
      const index = first + part.outcomes.length;
      if (index < end) part.suspect = { index, kind, detail, cpuMs: 0, memoryMiB: 0, ...more };
      resolve(part);
    };
    const watch = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(suspect, ms, 'hang', `no result after ${ms} ms`);
    };
    watch(START_MS);
    child.on('message', (message: Outcome & { ready?: true; badSeed?: string }) => {
      if (message.badSeed !== undefined) part.badSeeds.push(message.badSeed);
      else if (message.ready === true) watch(limitMs);
      else if (message.memoryMiB > target.memoryMiB) {
        const detail = `${Math.round(message.memoryMiB)} MiB, limit ${target.memoryMiB}`;
        suspect('memory', detail, { cpuMs: message.cpuMs, memoryMiB: message.memoryMiB });
      } else {
        part.outcomes.push(message);
        watch(limitMs);
      }
    });
    child.once('error', reject);
    child.on('exit', (code, given) => {
      clearTimeout(timer);
      if (first + part.outcomes.length >= end || part.suspect !== undefined) return resolve(part);
      suspect('crash', `the process ended (${given ?? code}): ${lastLines(said)}`);
    });
  });
}

function lastLines(text: string): string {
  const fatal = /^.*(?:FATAL|Fatal) .*$/m.exec(text)?.[0];
  if (fatal !== undefined) return fatal.trim();
  return text.trim().split('\n').slice(-6).join(' | ').slice(0, 800);
}

/** The compiled program. Run from TypeScript source (tests), it is the one in `dist`: Node 20 loads no TypeScript. */
function processPath(): string {
  const here = import.meta.url;
  const place = here.endsWith('.ts') ? '../../dist/run/case-process.js' : './case-process.js';
  const path = fileURLToPath(new URL(place, here));
  if (existsSync(path)) return path;
  throw new InputError('not-built', 'the process of the cases is not built', {
    file: path,
    hint: 'run: npx nx build @selective-dpo/fuzz',
  });
}
