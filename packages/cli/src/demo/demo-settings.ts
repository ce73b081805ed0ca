/** Sizes and settings of the demo. The runs see the same pairs in the same order and take as many steps. */
import type { EngineName } from '@selective-dpo/model';
import type { LengthLimits } from '@selective-dpo/data';
import { trainingConfigSchema, type TrainingConfig } from '@selective-dpo/trainer';
import { MAX_ANSWER_TOKENS, MAX_PROMPT_TOKENS } from './tokenizer-files.js';

/** How much the demo does. */
export interface DemoSize {
  /** Pairs that the reference scores and the policy is trained on. */
  trainingPairs: number;
  /** Pairs and prompts that the models are compared on. */
  heldOutPairs: number;
  /** Optimiser steps of each run. */
  steps: number;
}

export const DEMO_SIZE: DemoSize = { trainingPairs: 500, heldOutPairs: 150, steps: 100 };

/** No row of the demo is longer, and neither model was trained on more. */
export const DEMO_LIMITS: LengthLimits = { maxLength: MAX_PROMPT_TOKENS + MAX_ANSWER_TOKENS };

/** The seed of the answers that are drawn, one for all models. */
export const DEMO_ANSWER_SEED = 5;

/**
 * - `dpo`: all tokens, and the policy as it was before is the reference, as in the textbook;
 * - `dpoLargerReference`: all tokens, with the larger model as reference: Selective-DPO without its selection;
 * - `selectiveDpo`: the tokens selected by the larger model.
 */
export const DEMO_RUNS = ['dpo', 'dpoLargerReference', 'selectiveDpo'] as const;
export type DemoRun = (typeof DEMO_RUNS)[number];

/** What each run trains on, and the learning rate and beta that served it best of those tried on all. */
const OWN_SETTINGS: Record<DemoRun, Pick<TrainingConfig, 'selection' | 'keep' | 'learningRate' | 'beta'>> = {
  dpo: { selection: 'all', keep: 1, learningRate: 3e-4, beta: 3 },
  dpoLargerReference: { selection: 'all', keep: 1, learningRate: 1e-5, beta: 0.1 },
  selectiveDpo: { selection: 'quantile', keep: 0.4, learningRate: 6e-4, beta: 0.1 },
};

/** The configuration of one of the runs. `scripts/tune-demo.mjs` has the figures behind it. */
export function demoTraining(run: DemoRun, steps: number, engine: 'auto' | EngineName): TrainingConfig {
  return trainingConfigSchema.parse({
    ...OWN_SETTINGS[run],
    lrSchedule: 'linear',
    warmupSteps: Math.min(5, steps - 1),
    batchSize: 16,
    maxSteps: steps,
    seed: 1,
    engine,
  });
}
