/**
 * How far the reference's order of a pair can be trusted. Beyond the paper, and ours: the reference is taken as a noisy witness of the
 * label, as robust objectives for preferences take the label itself to be noisy (cDPO, Mitchell 2023; rDPO, arXiv 2403.00409), and its
 * word becomes a weight of the pair's loss, as WPO (arXiv 2406.11827) weighs pairs by the policy's probabilities.
 *
 *   margin            M = Σ lp_ref(y_w) − Σ lp_ref(y_l)                         in nats
 *   margin per token  m = Σ lp_ref(y_w) / |y_w| − Σ lp_ref(y_l) / |y_l|         in nats a token
 *   trust             σ(m / τ)                                                  in (0, 1), ½ where the reference is of no mind
 *
 * The mean a token is used for the trust, so that it does not hang on which answer is longer. σ(m / τ) is the probability of the label in
 * a Bradley-Terry model whose reward is the mean log-prob and whose noise has scale τ.
 */
import { sumLogps, type CacheRow } from '@selective-dpo/data';
import { sigmoidOf } from '../loss/preference-loss.js';
import type { PairLogps } from '../selection/alignment-score.js';

export const REF_TRUSTS = ['ignore', 'weight', 'drop'] as const;
export type RefTrust = (typeof REF_TRUSTS)[number];

export interface ReferenceMargin {
  /** M; the reference orders the pair where it is above 0, and wrongly where it is below. */
  margin: number;
  /** m; its size is how confident the reference is. */
  perToken: number;
}

/** What the reference says of a pair. @param row log-probs [C] and [R]. */
export function referenceMargin(row: Pick<CacheRow, 'chosenRefLogps' | 'rejectedRefLogps'>): ReferenceMargin {
  const [chosen, rejected] = [sumLogps(row.chosenRefLogps), sumLogps(row.rejectedRefLogps)];
  return {
    margin: chosen - rejected,
    perToken: chosen / row.chosenRefLogps.length - rejected / row.rejectedRefLogps.length,
  };
}

/** σ(m / τ). @param scale τ > 0, in nats a token: the margin at which the trust is 0.73. */
export function pairTrust({ perToken }: ReferenceMargin, scale: number): number {
  return sigmoidOf(perToken / scale);
}

/** How far the policy is from the reference on a pair: mean |lp_policy − lp_ref| over all response tokens, in nats. */
export function distanceFromReference(logps: PairLogps): number {
  const far = (policy: Float32Array, ref: Float32Array) =>
    policy.reduce((sum, logp, t) => sum + Math.abs(logp - ref[t]!), 0);
  const tokens = logps.policyChosen.length + logps.policyRejected.length;
  return (far(logps.policyChosen, logps.refChosen) + far(logps.policyRejected, logps.refRejected)) / tokens;
}
