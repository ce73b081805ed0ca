/** The models that a run has left behind. */
import { join } from 'node:path';
import {
  CHECKPOINTS_FOLDER,
  FINAL_FOLDER,
  METRICS_FILE,
  checkpointSteps,
  isFinished,
  metricsLines,
} from '@selective-dpo/trainer';
import { InputError, isFolder } from '@selective-dpo/foundation';
import type { SampledPolicy } from './policy-sample.js';

/** The checkpoints of a run in the order of their steps, and the final model behind them. */
export async function runPolicies(run: string, initial?: string): Promise<SampledPolicy[]> {
  const checkpoints = join(run, CHECKPOINTS_FOLDER);
  const steps = await checkpointSteps(checkpoints);
  const policies = steps.map((step) => ({
    name: `step-${step}`,
    step,
    directory: join(checkpoints, `step-${step}`),
  }));
  if (initial !== undefined) policies.unshift({ name: 'initial', step: 0, directory: initial });
  if (!(await hasFinal(run))) return policies;
  return [...policies, { name: 'final', step: await lastStep(run), directory: join(run, FINAL_FOLDER) }];
}

/** Whether a run has trained to its end. */
export async function hasFinal(run: string): Promise<boolean> {
  const directory = join(run, FINAL_FOLDER);
  return (await isFolder(directory)) && (await isFinished(directory));
}

async function lastStep(run: string): Promise<number> {
  let last = 0;
  try {
    for await (const { value } of metricsLines(join(run, METRICS_FILE))) {
      if (value.split === 'train') last = value.step;
    }
  } catch (error) {
    if (!(error instanceof InputError) || error.code !== 'file-not-found') throw error;
  }
  return last;
}
