/** From logits to a token: greedy, temperature, top-k and nucleus (top-p, arXiv 1904.09751) sampling. */
import { InputError, type SeededRandom } from '@selective-dpo/foundation';
import { LikelihoodOrder } from './likelihood-order.js';

export interface SamplingOptions {
  /** 0 takes the most likely token. */
  temperature: number;
  /** Only the k most likely tokens; 0 is off. */
  topK: number;
  /** Only the most likely tokens whose probabilities add up to p; 1 is off. Of those that top-k leaves. */
  topP: number;
}

export const GREEDY: SamplingOptions = { temperature: 0, topK: 0, topP: 1 };

/**
 * Draws a token id from one row of logits [V]. Ties of the greedy choice go to the lower id.
 * @throws InputError `model-not-finite` for logits that are no numbers.
 */
export function sampleToken(logits: Float32Array, options: SamplingOptions, random: SeededRandom): number {
  const best = argmax(logits);
  if (options.temperature === 0) return best;
  const { topK, topP, temperature } = options;
  const weightOf = (logit: number): number => Math.exp((logit - logits[best]!) / temperature);
  const order = new LikelihoodOrder(logits);
  const most = topK > 0 ? Math.min(topK, logits.length) : logits.length;
  const total =
    most < logits.length
      ? order.first(most).reduce((sum, id) => sum + weightOf(logits[id]!), 0)
      : logits.reduce((sum, logit) => sum + weightOf(logit), 0);
  // The nucleus: the fewest of the most likely tokens that reach p.
  let [kept, limit] = [most, total];
  if (topP < 1) {
    kept = 0;
    limit = 0;
    while (kept < most && limit < topP * total) limit += weightOf(logits[order.at(kept++)]!);
  }
  let rest = random.next() * limit;
  for (let i = 0; i < kept; i++) {
    rest -= weightOf(logits[order.at(i)]!);
    if (rest < 0) return order.at(i);
  }
  return order.at(kept - 1);
}

function argmax(logits: Float32Array): number {
  let best = 0;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    if (logits[i]! > logits[best]!) best = i;
    // 0 for a finite number, NaN for all else.
    sum += logits[i]! * 0;
  }
  if (sum !== 0) {
    throw new InputError('model-not-finite', 'the model gives logits that are no finite numbers', {
      hint: 'its weights are damaged; check where the model comes from',
    });
  }
  return best;
}
