/** From a configuration to how the batch of one step is turned into a loss. */
import { mixSeeds } from '@selective-dpo/foundation';
import type { Objective } from '../step/selective-step.js';
import type { TrainingConfig } from './training-config.js';

/**
 * The objective of an optimiser step.
 * @param endsSentence for selection over sentences.
 * @param step 0-based: random selection draws anew in each.
 */
export function objectiveOfStep(
  config: TrainingConfig,
  endsSentence: (id: number) => boolean,
  step: number,
): Objective {
  return {
    selection: {
      rule: config.selection,
      keep: config.keep,
      spanUnit: config.spanUnit,
      spanWindow: config.spanWindow,
    },
    loss: {
      type: config.loss,
      beta: config.beta,
      labelSmoothing: config.labelSmoothing,
      rpoAlpha: config.rpoAlpha,
      lengthNormalization: config.lengthNormalization,
      distillation: { topN: config.distillationTopN, rest: config.distillationRest },
    },
    endsSentence,
    seed: mixSeeds(config.seed, step),
  };
}
