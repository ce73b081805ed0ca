/**
 * Scores averaged over neighbouring tokens before selection, so that whole phrases are kept or left. The
 * method's authors name the missing context between tokens as its limitation; this is a way to test it.
 */

/** Mean over a centred window of `window` tokens (odd), cut off at the ends. [T] → [T]. */
export function averageOverWindow(scores: Float64Array, window: number): Float64Array {
  const reach = (window - 1) / 2;
  return scores.map((_, t) => mean(scores.subarray(Math.max(0, t - reach), t + reach + 1)));
}

/**
 * Mean over each sentence. A sentence ends with a token for which `endsSentence` is true, or with the response.
 * [T] → [T]; all tokens of a sentence have one score, so a sentence is kept or left as a whole.
 */
export function averageOverSentences(
  scores: Float64Array,
  ids: Int32Array,
  endsSentence: (id: number) => boolean,
): Float64Array {
  const averaged = new Float64Array(scores.length);
  let begin = 0;
  for (let t = 0; t < scores.length; t++) {
    if (t < scores.length - 1 && !endsSentence(ids[t]!)) continue;
    averaged.fill(mean(scores.subarray(begin, t + 1)), begin, t + 1);
    begin = t + 1;
  }
  return averaged;
}

function mean(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
