/** Log-probs out of the logits that a token was drawn from. */
import { lookThrough, type MostLikely } from '../causal-lm/most-likely.js';

/** Log-prob of a token, in nats, and the most likely tokens of its place, the likeliest first. */
export interface RankedLogps {
  id: number;
  logp: number;
  top: MostLikely;
}

/** @param logits [V]; @param top how many of the most likely, ≤ V. The sum is taken in float64. */
export function rankedLogps(logits: Float32Array, id: number, top: number): RankedLogps {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const logSumExp = most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
  const ranked = { ids: new Int32Array(top), logps: new Float32Array(top) };
  if (top > 0) lookThrough(logits, logSumExp, top, ranked, 0);
  return { id, logp: Math.fround(logits[id]! - logSumExp), top: ranked };
}
