/** Every loss that a run can be trained with, by name. */
import type { PairLogps } from '../selection/alignment-score.js';
import { distillationLoss, type DistillationRest, type TopLogps } from './distillation-loss.js';
import {
  PREFERENCE_LOSS_TYPES,
  preferenceLoss,
  type LossOptions,
  type PairLoss,
  type PairMask,
} from './preference-loss.js';
import { sftLoss } from './sft-loss.js';

export const LOSS_TYPES = [...PREFERENCE_LOSS_TYPES, 'sft', 'distillation'] as const;
export type LossType = (typeof LOSS_TYPES)[number];

export interface PairLossOptions extends Omit<LossOptions, 'type'> {
  type: LossType;
  distillation?: {
    /** Likeliest tokens to use of those that the cache holds; 0: all. */
    topN: number;
    rest: DistillationRest;
  };
}

/**
 * Loss of one pair and its gradients, see the loss's own function.
 * @param weight factor on the gradients, e.g. 1 / pairs of the optimiser batch.
 * @param top needed for distillation.
 */
export function pairLoss(
  logps: PairLogps,
  mask: PairMask,
  options: PairLossOptions,
  weight = 1,
  top?: TopLogps,
): PairLoss {
  const { type } = options;
  switch (type) {
    case 'sft':
      return sftLoss(logps, mask, weight);
    case 'distillation':
      return distillationLoss(top!, mask, options.distillation!.rest, weight);
    default:
      return preferenceLoss(logps, mask, { ...options, type }, weight);
  }
}
