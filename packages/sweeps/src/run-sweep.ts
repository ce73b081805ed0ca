/** A sweep from its plan to its results: what is finished stays, the rest is run in a pool of processes. */
import { setMaxListeners } from 'node:events';
import { readdir } from 'node:fs/promises';
import { basename, join, parse } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  FolderLock,
  InputError,
  Interrupted,
  ProgressMeter,
  makeFolder,
  refuseInside,
  removeTemporaries,
  type NoticeEvent,
  type ProgressEvent,
} from '@selective-dpo/foundation';
import type { SweepPlan } from './plan/plan-sweep.js';
import { TASKS_FOLDER } from './nx-projects.js';
import { trainArguments } from './plan/planned-run.js';
import { RUNS_FOLDER, isFinishedRun, placeRuns, type RunPlace } from './pool/run-folders.js';
import { inPool } from './pool/run-pool.js';
import { trainInProcess, type RunProgress, type TrainOutcome } from './pool/train-process.js';
import { renderSweepReport } from './report/sweep-report.js';
import { RESULTS_CSV, publishChanged, publishResults } from './results/results-files.js';
import { runResults, type RunResult } from './results/run-result.js';

/** What happens to single runs. */
export type RunEvent =
  | { type: 'run-started'; run: string; key: string }
  | ({ type: 'run-progress'; run: string; key: string } & RunProgress)
  | ({ type: 'run-ended'; run: string; key: string } & TrainOutcome);

export type SweepEvent = RunEvent | ProgressEvent | NoticeEvent;

export interface SweepOptions {
  plan: SweepPlan;
  /** Folder of the sweep. */
  directory: string;
  /** Runs at one time. */
  parallel: number;
  /** Program and first words of the command line `sdpo`. */
  program: readonly string[];
  /** Name of the figure that matters most, e.g. `eval/rewards/accuracies`. */
  metric: string;
  listener: (event: SweepEvent) => void;
  signal: AbortSignal;
}

export interface RunFailure {
  run: string;
  message: string;
  /** The user can mend it. */
  badInput: boolean;
}

export interface SweepResult {
  directory: string;
  /** In the order of their names. */
  runs: RunResult[];
  failures: RunFailure[];
  /** Runs that were finished before. */
  finishedBefore: number;
}

/** The report as a page. */
export const REPORT_FILE = 'report.html';

/** Seconds that a run is waited for which a sweep that was killed has left behind, and between tries. */
const [BUSY_SECONDS, TRY_SECONDS] = [60, 1];

/**
 * Runs what is not finished yet and publishes the results.
 * @throws InputError `sweep-busy`, `folder-in-use`, `output-inside-input`, `disk-full`, …; Interrupted when `signal` stopped
 *   it, with the results so far published.
 */
export async function runSweep(options: SweepOptions): Promise<SweepResult> {
  const { plan, directory, signal } = options;
  const lock = await claimFolder(plan, directory);
  try {
    await removeTemporaries(directory);
    const places = await placeRuns(directory, plan.runs);
    const waiting = places.filter(({ finished }) => !finished);
    const failures = await trainAll(options, places, waiting);
    const result = await publish(options, places, failures);
    if (signal.aborted) {
      const finished = places.filter((place) => place.finished).length;
      throw new Interrupted(
        `stopped: ${finished} of ${places.length} runs are finished`,
        'run the same command again',
      );
    }
    return { ...result, finishedBefore: places.length - waiting.length };
  } finally {
    await lock.release();
  }
}

/** Publishes the results of what was run before, here or elsewhere, and starts nothing. @throws as {@link runSweep}. */
export async function collectSweep(
  options: Pick<SweepOptions, 'plan' | 'directory' | 'metric' | 'listener'>,
): Promise<SweepResult> {
  const { plan, directory } = options;
  const lock = await claimFolder(plan, directory);
  try {
    const places = await placeRuns(directory, plan.runs);
    const finishedBefore = places.filter(({ finished }) => finished).length;
    return { ...(await publish(options, places, new Map())), finishedBefore };
  } finally {
    await lock.release();
  }
}

/** The folder of a sweep with its lock, which the caller releases. */
async function claimFolder({ file, runs }: SweepPlan, directory: string): Promise<FolderLock> {
  for (const cache of new Set(runs.map(({ cacheDirectory }) => cacheDirectory))) {
    await refuseInside(directory, cache);
  }
  await makeFolder(directory);
  const names = (await readdir(directory)).filter((name) => !name.startsWith('.') && name !== basename(file));
  if (names.length > 0 && ![RUNS_FOLDER, TASKS_FOLDER, RESULTS_CSV].some((own) => names.includes(own))) {
    throw new InputError('folder-in-use', 'the folder is not empty and holds no sweep', {
      ...{ file: directory, found: names.slice(0, 3).join(', '), expected: 'a new or empty folder' },
      hint: 'choose another --out',
    });
  }
  return FolderLock.acquire(directory, { code: 'sweep-busy', what: 'sweep' });
}

/**
 * Trains every waiting run; one that ends well is marked as finished. The table of results is there from the start and lists a failure
 * when it happens: who looks at the sweep meanwhile sees what is to come, and what is not.
 * @returns failures by digest.
 */
async function trainAll(
  options: SweepOptions,
  places: readonly RunPlace[],
  waiting: readonly RunPlace[],
): Promise<Map<string, RunFailure>> {
  const { listener, parallel, signal } = options;
  // One for each process.
  setMaxListeners(0, signal);
  const meter = new ProgressMeter('sweep', 'runs', places.length, places.length - waiting.length);
  const failures = new Map<string, RunFailure>();
  // One after the other, so that the latest is what stays.
  let table = publishTable(options, places, failures);
  await table;
  const work = async (place: RunPlace): Promise<void> => {
    const { name, key, digest } = place.run;
    const id = { run: name, key };
    listener({ type: 'run-started', ...id });
    const outcome = await trainOne(options, place);
    place.finished = outcome.status === 'finished' && (await isFinishedRun(place.directory));
    listener({ type: 'run-ended', ...id, ...outcome });
    if (outcome.status === 'failed') {
      const { message, badInput } = outcome;
      failures.set(digest, { run: name, message, badInput });
      table = table.then(() => publishTable(options, places, failures));
      await table;
    }
    if (outcome.status !== 'stopped') listener(meter.advance(1));
  };
  if (waiting.length > 0) listener(meter.advance(0));
  await inPool(waiting, parallel, work, signal);
  return failures;
}

/** Trains a run, once whoever still writes to its folder is gone: a sweep that was killed leaves runs that are about to stop. */
async function trainOne(
  { program, listener, signal }: SweepOptions,
  { run, directory }: RunPlace,
): Promise<TrainOutcome> {
  const command = [...program, ...trainArguments(run, directory), '--json'];
  const onProgress = (progress: RunProgress) =>
    listener({ type: 'run-progress', run: run.name, key: run.key, ...progress });
  const until = performance.now() + 1000 * BUSY_SECONDS;
  for (;;) {
    const outcome = await trainInProcess(command, onProgress, signal);
    const busy = outcome.status === 'failed' && outcome.codes.includes('run-busy');
    if (!busy || performance.now() > until) return outcome;
    await sleep(1000 * TRY_SECONDS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return { status: 'stopped' };
  }
}

async function publish(
  { plan, directory, metric, listener }: Pick<SweepOptions, 'plan' | 'directory' | 'metric' | 'listener'>,
  places: readonly RunPlace[],
  failures: ReadonlyMap<string, RunFailure>,
): Promise<Omit<SweepResult, 'finishedBefore'>> {
  const runs = await publishTable({ plan, directory }, places, failures);
  const finished = runs.filter(({ run }) => run.status === 'finished');
  if (finished.length > 0 && finished.every(({ run }) => !Object.hasOwn(run.metrics, metric))) {
    const held = plan.runs.some(({ made }) => made.config.evalFraction > 0);
    const why = metric.startsWith('eval/') && !held ? ': set evalFraction to hold pairs out' : '';
    listener({ type: 'notice', code: 'no-metric', message: `no run has the figure ${metric}${why}` });
  }
  const page = renderSweepReport({
    ...{ title: parse(plan.file).name, sweptKeys: plan.sweptKeys, metric },
    runs: runs.map(({ run }) => run),
  });
  await publishChanged(join(directory, REPORT_FILE), page);
  return { directory, runs, failures: [...failures.values()] };
}

/** Publishes the table of results as it stands. @returns its runs. */
async function publishTable(
  { plan, directory }: Pick<SweepOptions, 'plan' | 'directory'>,
  places: readonly RunPlace[],
  failures: ReadonlyMap<string, RunFailure>,
): Promise<RunResult[]> {
  const messages = new Map([...failures].map(([digest, { message }]) => [digest, message]));
  const runs = await runResults(places, messages);
  await publishResults(directory, runs, plan.sweptKeys);
  return runs;
}
