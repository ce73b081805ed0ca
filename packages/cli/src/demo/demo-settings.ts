/** Sizes and settings of the demo. The two runs differ in what is selected and in nothing else. */
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

export type DemoRun = 'dpo' | 'selectiveDpo';

/** What each run trains on. */
const SELECTION: Record<DemoRun, Pick<TrainingConfig, 'selection' | 'keep'>> = {
  dpo: { selection: 'all', keep: 1 },
  selectiveDpo: { selection: 'quantile', keep: 0.4 },
};

/**
 * The configuration of one of the two runs. Learning rate and beta were tried on both:
 * see docs of `scripts/tune-demo.mjs` for the grid and its figures.
 */
export function demoTraining(run: DemoRun, steps: number, engine: 'auto' | EngineName): TrainingConfig {
  return trainingConfigSchema.parse({
    ...SELECTION[run],
    beta: 0.1,
    learningRate: 3e-4,
    lrSchedule: 'linear',
    warmupSteps: Math.min(5, steps - 1),
    batchSize: 16,
    maxSteps: steps,
    seed: 1,
    engine,
  });
}
