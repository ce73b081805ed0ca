/** What our own readers find in the folder of a run after a disturbance. */
import { join } from 'node:path';
import { kindOf, sha256 } from '@selective-dpo/foundation';
import {
  CHECKPOINTS_FOLDER,
  FINAL_FOLDER,
  METRICS_FILE,
  checkpointSteps,
  isFinished,
  metricsLines,
  readRun,
  runFingerprint,
  verifyCheckpoint,
} from '@selective-dpo/trainer';
import { MixedState, publishedFiles, refuseOtherFiles, type Digests } from './published-files.js';

/** What clocks and memory give. */
const UNLIKE = /^time$|^(seconds|memory)\/|\/s$/;
const EVENT_FILE = /^events\.out\.tfevents\./;

/** Digests of a run's files; of the metrics those of the figures that a run has again, and none of TensorBoard's file, which follows from them. */
export async function runResult(run: string): Promise<Map<string, string>> {
  const files = await publishedFiles(run);
  for (const name of files.keys()) if (EVENT_FILE.test(name)) files.delete(name);
  if (files.has(METRICS_FILE)) files.set(METRICS_FILE, sha256(JSON.stringify(await figuresIn(run))));
  return files;
}

/** Every whole line of a run's metrics without what clocks and memory give. */
export async function figuresIn(run: string): Promise<Record<string, unknown>[]> {
  const lines: Record<string, unknown>[] = [];
  const file = join(run, METRICS_FILE);
  if ((await kindOf(file)) === undefined) return lines;
  for await (const { value } of metricsLines(file)) {
    lines.push(Object.fromEntries(Object.entries(value).filter(([name]) => !UNLIKE.test(name))));
  }
  return lines;
}

/** What a run publishes that nothing disturbs. */
export interface PublishedRun {
  /** Of every checkpoint, of what is there at the end, of the run's description. */
  files: Digests;
  figures: readonly object[];
}

/**
 * The step of the newest checkpoint in a run's folder, and one more once the policy is there.
 * @throws MixedState where a file is not what was published, or a reader does not take a checkpoint that it finds.
 */
export async function runStateIn(run: string, published: PublishedRun): Promise<number> {
  const files = await runResult(run);
  files.delete(METRICS_FILE);
  refuseOtherFiles(files, published.files);
  await refuseOtherFigures(run, published.figures);
  if (!files.has('run.json')) {
    if (files.size > 0) throw new MixedState(`${[...files.keys()][0]} without the run it belongs to`);
    return 0;
  }
  try {
    const steps = await checkpointSteps(join(run, CHECKPOINTS_FOLDER));
    const fingerprint = runFingerprint(await readRun(run));
    for (const step of steps)
      await verifyCheckpoint(join(run, CHECKPOINTS_FOLDER, `step-${step}`), fingerprint);
    const finished = await isFinished(join(run, FINAL_FOLDER));
    return (steps.at(-1) ?? 0) + (finished ? 1 : 0);
  } catch (error) {
    throw new MixedState(String(error));
  }
}

/** Lines come in order; a resumed run writes those behind its checkpoint again. */
async function refuseOtherFigures(run: string, expected: readonly object[]): Promise<void> {
  for (const [i, line] of (await figuresIn(run)).entries()) {
    if (JSON.stringify(line) !== JSON.stringify(expected[i]))
      throw new MixedState(`line ${i + 1} of the metrics`);
  }
}
