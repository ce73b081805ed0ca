/** `sdpo train --resume`, with checkpoints that come and go. */
import { CHECKPOINTS_FOLDER, trainingConfigSchema } from '@selective-dpo/trainer';
import { figuresIn, runResult, runStateIn } from '../state/run-state.js';
import { doUndisturbed, jobOf, type Job } from './job.js';
import { DEMO_POLICY, type WorkFolders } from './work-folders.js';
import type { WorkRequest } from './work-request.js';
import type { WorkerPool } from './worker-pool.js';

const SETTINGS = {
  ...{ engine: 'wasm', maxSteps: 8, batchSize: 2, learningRate: 3e-4, keep: 0.4 },
  ...{ evalFraction: 0.1, evalEvery: 4, saveEvery: 1, selectionFrom: 'initial' },
};
/** Checkpoints that a run keeps, so that older ones are removed on the way. */
const KEPT = 2;

/**
 * @param cacheDirectory a finished cache of the demo's reference.
 * @returns the work, and the run that it makes where nothing disturbs it.
 */
export async function trainJob(
  pool: WorkerPool,
  folders: WorkFolders,
  cacheDirectory: string,
): Promise<{ job: Job; run: string }> {
  const training = (outDirectory: string, saveTotalLimit = KEPT): WorkRequest => ({
    work: 'train',
    options: {
      ...{ policyDirectory: DEMO_POLICY, cacheDirectory, outDirectory, resume: true },
      config: trainingConfigSchema.parse({ ...SETTINGS, saveTotalLimit }),
    },
  });
  const [whole, hoarded] = [await folders.next('run'), await folders.next('run')];
  const cost = await doUndisturbed(pool, training(whole));
  await doUndisturbed(pool, training(hoarded, SETTINGS.maxSteps));
  const checkpoints = [...(await runResult(hoarded))].filter(([name]) => name.startsWith(CHECKPOINTS_FOLDER));
  const published = {
    files: new Map([...checkpoints, ...(await runResult(whole))]),
    figures: await figuresIn(whole),
  };
  const work = {
    name: 'train',
    begin: () => folders.next('run'),
    request: (out: string) => training(out),
    stateOf: (out: string) => runStateIn(out, published),
    resultOf: runResult,
  };
  return { job: await jobOf(work, whole, cost), run: whole };
}
