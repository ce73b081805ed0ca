/**
 * Step 1 of Selective-DPO (arXiv 2507.07725): one score a response token, high where training is due.
 * Everything here is float64 arithmetic on float32 log-probs.
 */

/** Per-token log-probs of one pair, in nats, under policy and reference. Chosen lists: [C], rejected: [R]. */
export interface PairLogps {
  policyChosen: Float32Array;
  policyRejected: Float32Array;
  refChosen: Float32Array;
  refRejected: Float32Array;
}

export type Side = 'chosen' | 'rejected';

/**
 * Alignment scores [T] of one response, in nats.
 * chosen:   s(t) = lp_ref − lp_policy — the reference likes the token more than the policy does: learn it.
 * rejected: s(t) = lp_policy − lp_ref — the policy likes it more than the reference does: unlearn it.
 */
export function alignmentScores(side: Side, policyLogps: Float32Array, refLogps: Float32Array): Float64Array {
  const sign = side === 'chosen' ? -1 : 1;
  return Float64Array.from(policyLogps, (logp, t) => sign * (logp - refLogps[t]!));
}
