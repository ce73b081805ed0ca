/** From logits to a token: greedy, temperature, top-k and nucleus (top-p, arXiv 1904.09751) sampling. */
import type { SeededRandom } from '@selective-dpo/foundation';

export interface SamplingOptions {
  /** 0 takes the most likely token. */
  temperature: number;
  /** Only the k most likely tokens; 0 is off. */
  topK: number;
  /** Only the most likely tokens whose probabilities add up to p; 1 is off. */
  topP: number;
}

export const GREEDY: SamplingOptions = { temperature: 0, topK: 0, topP: 1 };

/** Draws a token id from one row of logits [V]. Ties of the greedy choice go to the lower id. */
export function sampleToken(logits: Float32Array, options: SamplingOptions, random: SeededRandom): number {
  if (options.temperature === 0) return argmax(logits);
  const order = Int32Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const candidates = options.topK > 0 ? order.subarray(0, options.topK) : order;
  const top = logits[candidates[0]!]!;
  const weights = Float64Array.from(candidates, (id) => Math.exp((logits[id]! - top) / options.temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  let limit = 0;
  let kept = 0;
  while (kept < weights.length && limit < options.topP * total) limit += weights[kept++]!;
  let rest = random.next() * limit;
  for (let i = 0; i < kept; i++) {
    rest -= weights[i]!;
    if (rest < 0) return candidates[i]!;
  }
  return candidates[kept - 1]!;
}

function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
