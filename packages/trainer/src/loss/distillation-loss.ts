/**
 * Distillation from the cache: cross-entropy of the policy to the reference's n most likely next tokens in the place of every kept
 * token of the chosen response (word-level distillation, Kim and Rush, arXiv 1606.07947), mean over a pair's tokens, then over
 * pairs.
 *
 *   bucket:       L_t = −Σ_k p_k log q_k − p_rest log q_rest     p_rest = 1 − Σ p_k, q_rest = 1 − Σ q_k
 *   renormalize:  L_t = −Σ_k (p_k / Σ p) log q_k
 *
 * p is the reference, q the policy. Renormalised, the n tokens draw the whole probability to themselves: the policy's best is
 * then not the reference (the bias that arXiv 2503.16870 shows for cached top-k). With one bucket for all other tokens
 * L_t is least where q_k = p_k; it is the full cross-entropy of both distributions seen through n + 1 classes. Renormalised with
 * n = 1 the target is the reference's likeliest token alone: hard-label distillation.
 */
import { countKept, type PairLoss, type PairMask } from './preference-loss.js';

export const DISTILLATION_RESTS = ['bucket', 'renormalize'] as const;
export type DistillationRest = (typeof DISTILLATION_RESTS)[number];

/** Log-probs of the n likeliest tokens under the reference in the place of each chosen token, [C · n] each, in nats. */
export interface TopLogps {
  ref: Float32Array;
  policy: Float32Array;
}

/** What float32 log-probs tell of the rest: less than this is as good as nothing. */
const LEAST_REST = 1e-5;

/**
 * Loss of one pair, in nats a token, and its gradients: by the policy's log-probs of the candidates in `candidateGradient`, none by
 * those of the response's own tokens.
 * @param weight factor on the gradients.
 */
export function distillationLoss(
  top: TopLogps,
  mask: PairMask,
  rest: DistillationRest,
  weight = 1,
): PairLoss {
  const n = top.ref.length / mask.chosen.length;
  const share = 1 / Math.max(1, countKept(mask.chosen));
  const candidateGradient = new Float32Array(top.ref.length);
  let loss = 0;
  mask.chosen.forEach((kept, t) => {
    if (kept === 0) return;
    const [ref, policy] = [top.ref, top.policy].map((list) => list.subarray(t * n, (t + 1) * n));
    const own = rest === 'bucket' ? withBucket(ref!, policy!) : renormalized(ref!, policy!);
    loss += share * own.loss;
    own.gradient.forEach((slope, k) => (candidateGradient[t * n + k] = weight * share * slope));
  });
  return {
    loss,
    chosenGradient: new Float32Array(mask.chosen.length),
    rejectedGradient: new Float32Array(mask.rejected.length),
    candidateGradient,
  };
}

/** Cross-entropy in one place, and its gradient by the policy's log-probs. */
interface PlaceLoss {
  loss: number;
  gradient: Float64Array;
}

function withBucket(ref: Float32Array, policy: Float32Array): PlaceLoss {
  const [p, q] = [Float64Array.from(ref, Math.exp), Float64Array.from(policy, Math.exp)];
  const pRest = Math.max(0, 1 - sum(p));
  const qRest = Math.max(LEAST_REST, 1 - sum(q));
  let loss = pRest === 0 ? 0 : -pRest * Math.log(qRest);
  p.forEach((probability, k) => (loss -= probability * policy[k]!));
  return { loss, gradient: p.map((probability, k) => (pRest * q[k]!) / qRest - probability) };
}

function renormalized(ref: Float32Array, policy: Float32Array): PlaceLoss {
  const p = Float64Array.from(ref, Math.exp);
  const total = sum(p);
  let loss = 0;
  p.forEach((probability, k) => (loss -= (probability / total) * policy[k]!));
  return { loss, gradient: p.map((probability) => -probability / total) };
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
