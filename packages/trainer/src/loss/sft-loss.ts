/**
 * Supervised fine-tuning on the chosen response: mean negative log-likelihood over its kept tokens, a pair at a time. The mean is
 * taken over a pair and then over pairs, as for rpoAlpha, so that micro-batches change nothing (TRL's SFTTrainer takes
 * one mean over all tokens of a batch).
 *
 *   L = −(1/|K|) Σ_{t in K} lp_policy(t),   K the kept tokens of y_w: all of them in plain SFT, the highest scores in
 *   selective language modelling (Rho-1, arXiv 2404.07965), whose excess loss is the alignment score of chosen tokens.
 */
import type { PairLogps } from '../selection/alignment-score.js';
import { countKept, type PairLoss, type PairMask } from './preference-loss.js';

/**
 * Loss of one pair, in nats a token, and its gradients; those of the rejected response are 0.
 * @param weight factor on the gradients.
 */
export function sftLoss({ policyChosen }: PairLogps, mask: PairMask, weight = 1): PairLoss {
  const share = 1 / Math.max(1, countKept(mask.chosen));
  let loss = 0;
  mask.chosen.forEach((kept, t) => (loss -= kept === 1 ? share * policyChosen[t]! : 0));
  return {
    loss,
    chosenGradient: Float32Array.from(mask.chosen, (kept) => (kept === 1 ? -weight * share : 0)),
    rejectedGradient: new Float32Array(mask.rejected.length),
  };
}
