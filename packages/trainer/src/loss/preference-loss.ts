/**
 * Step 3 of Selective-DPO: the masked loss of one pair and its gradient by every policy log-prob, in float64.
 *
 *   r(t) = lp_policy(t) − lp_ref(t)        m = Σ_{kept in chosen} r(t) − Σ_{kept in rejected} r(t)
 *   sigmoid (DPO, arXiv 2305.18290 eq. 7):        L = −log σ(β m)
 *   with label smoothing ε (cDPO, Mitchell 2023): L = −(1 − ε) log σ(β m) − ε log σ(−β m)
 *   ipo (arXiv 2310.12036 eq. 17, averaged over kept tokens as in TRL): L = (m̄ − 1/(2β))²
 *   plus rpoAlpha · (−1/|y_w|) Σ_{all chosen} lp_policy(t)   (RPO, arXiv 2404.19733, a pair at a time)
 *
 * The same mask is applied to policy and reference. Sums, not means, unless length normalisation is asked for.
 */
import type { PairLogps } from '../selection/alignment-score.js';

export const PREFERENCE_LOSS_TYPES = ['sigmoid', 'ipo'] as const;

export interface LossOptions {
  type: (typeof PREFERENCE_LOSS_TYPES)[number];
  /** β > 0: strength of the pull towards the reference. */
  beta: number;
  /** ε in [0, 0.5): assumed share of flipped preferences. */
  labelSmoothing: number;
  /** Weight of the negative log-likelihood of the chosen response; 0 leaves it out. */
  rpoAlpha: number;
  /** Divide each response's sum by its number of kept tokens. IPO always does, as in TRL. */
  lengthNormalization: boolean;
}

/** Masks of kept tokens. */
export interface PairMask {
  chosen: Uint8Array;
  rejected: Uint8Array;
}

export interface PairLoss {
  /** In nats. */
  loss: number;
  /** [C] ∂loss/∂lp_policy of each chosen token; exactly 0 where no term reads it. */
  chosenGradient: Float32Array;
  /** [R] ∂loss/∂lp_policy of each rejected token; exactly 0 where no term reads it. */
  rejectedGradient: Float32Array;
  /** [C · n] ∂loss/∂lp_policy of the reference's likeliest tokens, under distillation. */
  candidateGradient?: Float32Array;
}

export interface PreferenceLoss extends PairLoss {
  /** m, in nats (averaged for IPO and under length normalisation). */
  margin: number;
}

/**
 * Loss of one pair and its gradients. Logps: chosen [C], rejected [R], in nats.
 * @param weight factor on the gradients, e.g. 1 / pairs of the optimiser batch.
 */
export function preferenceLoss(
  logps: PairLogps,
  mask: PairMask,
  options: LossOptions,
  weight = 1,
): PreferenceLoss {
  const average = options.lengthNormalization || options.type === 'ipo';
  const chosenShare = average ? 1 / Math.max(1, countKept(mask.chosen)) : 1;
  const rejectedShare = average ? 1 / Math.max(1, countKept(mask.rejected)) : 1;
  const margin =
    chosenShare * maskedLogRatio(logps.policyChosen, logps.refChosen, mask.chosen) -
    rejectedShare * maskedLogRatio(logps.policyRejected, logps.refRejected, mask.rejected);
  const { loss, slope } = options.type === 'ipo' ? ipo(margin, options) : sigmoid(margin, options);
  const nll = -sum(logps.policyChosen) / logps.policyChosen.length;
  const nllSlope = -options.rpoAlpha / logps.policyChosen.length;
  return {
    loss: options.rpoAlpha === 0 ? loss : loss + options.rpoAlpha * nll,
    margin,
    chosenGradient: Float32Array.from(
      mask.chosen,
      (kept) => weight * ((kept === 1 ? slope * chosenShare : 0) + (options.rpoAlpha === 0 ? 0 : nllSlope)),
    ),
    rejectedGradient: Float32Array.from(mask.rejected, (kept) =>
      kept === 1 ? -weight * slope * rejectedShare : 0,
    ),
  };
}

/** Σ (lp_policy − lp_ref) over kept tokens. */
export function maskedLogRatio(policy: Float32Array, ref: Float32Array, mask: Uint8Array): number {
  let total = 0;
  for (let t = 0; t < mask.length; t++) if (mask[t] === 1) total += policy[t]! - ref[t]!;
  return total;
}

/** −log σ(x), without overflow for any x. */
export function negativeLogSigmoid(x: number): number {
  return Math.max(0, -x) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** σ(x), without overflow for any x. */
export function sigmoidOf(x: number): number {
  const e = Math.exp(-Math.abs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

/** Value and derivative by the margin. */
function sigmoid(margin: number, { beta, labelSmoothing: epsilon }: LossOptions) {
  const x = beta * margin;
  return {
    loss: (1 - epsilon) * negativeLogSigmoid(x) + epsilon * negativeLogSigmoid(-x),
    slope: beta * (epsilon * sigmoidOf(x) - (1 - epsilon) * sigmoidOf(-x)),
  };
}

function ipo(margin: number, { beta }: LossOptions) {
  const gap = margin - 1 / (2 * beta);
  return { loss: gap * gap, slope: 2 * gap };
}

/** Tokens of a mask that are kept. */
export function countKept(mask: Uint8Array): number {
  let count = 0;
  for (const kept of mask) count += kept;
  return count;
}

function sum(values: Float32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
