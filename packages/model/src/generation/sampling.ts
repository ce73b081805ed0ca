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
  const order = byLikelihood(logits);
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

/** More than any vocabulary has; a float32's 32 bits and an id below this fit a float64's 53. */
const IDS = 2 ** 22;

/**
 * Ids from the most to the least likely, ties by the lower id. logits: [V], V ≤ 2²², no NaN. Sorts numbers that hold a logit's
 * bits and its id: several times faster than a comparing function.
 */
export function byLikelihood(logits: Float32Array): Int32Array {
  // Adding 0 makes -0 equal 0.
  const bits = new Int32Array(logits.map((logit) => logit + 0).buffer);
  const keys = new Float64Array(logits.length);
  for (let id = 0; id < keys.length; id++) {
    const rank = bits[id]! < 0 ? bits[id]! ^ 0x7fffffff : bits[id]!;
    keys[id] = -rank * IDS + id;
  }
  keys.sort();
  return Int32Array.from(keys, (key) => key - Math.floor(key / IDS) * IDS);
}

function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
