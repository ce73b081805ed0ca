/**
 * The reference's most likely next tokens in the place of every response token, in caches that were scored for distillation.
 * n stands for how many; the cache's inputs name it.
 */

export interface ReferenceTop {
  /** [C · n] in the place of each chosen token n ids, the likeliest first. */
  chosenIds: Int32Array;
  /** [C · n] their log-probs, in nats. */
  chosenLogps: Float32Array;
  /** [R · n] */
  rejectedIds: Int32Array;
  /** [R · n] */
  rejectedLogps: Float32Array;
}

/** Most of n that a cache may have: a token then takes 1 KB. */
export const MAX_TOP_LOGPROBS = 128;

/** Probabilities of one token's place sum to this at most: 1 and what float32 log-probs may be off. */
const MAX_PROBABILITY = 1 + 1e-3;

/** What is wrong with a list, and where. */
export interface TopProblem {
  /** `ids` or `logps`. */
  list: 'ids' | 'logps';
  found: string;
  expected: string;
}

/**
 * Checks the lists of one response: n of both for each of its `tokens`; ids not negative and different from each other; log-probs
 * finite, at most `highest`, descending, of probabilities that sum to 1 at most.
 */
export function problemOfTop(
  ids: Int32Array,
  logps: Float32Array,
  tokens: number,
  n: number,
  highest: number,
): TopProblem | undefined {
  for (const [list, { length }] of [
    ['ids', ids],
    ['logps', logps],
  ] as const) {
    if (length !== tokens * n)
      return { list, found: `${length} values`, expected: `${tokens * n}, ${n} a token` };
  }
  for (let begin = 0; begin < ids.length; begin += n) {
    const problem = problemOfIds(ids, begin, begin + n) ?? problemOfLogps(logps, begin, begin + n, highest);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

// Plain loops, and nothing made for lists that are sound: every row that is read goes through them.

function problemOfIds(ids: Int32Array, begin: number, end: number): TopProblem | undefined {
  for (let i = begin; i < end; i++) {
    if (ids[i]! < 0) return { list: 'ids', found: String(ids[i]), expected: 'ids of at least 0' };
    for (let j = begin; j < i; j++) {
      if (ids[j] === ids[i]) {
        return { list: 'ids', found: `${ids[i]} twice for one token`, expected: 'different ids' };
      }
    }
  }
  return undefined;
}

function problemOfLogps(
  logps: Float32Array,
  begin: number,
  end: number,
  highest: number,
): TopProblem | undefined {
  let before = highest;
  let probability = 0;
  for (let i = begin; i < end; i++) {
    const logp = logps[i]!;
    if (!(logp <= before && logp > -Infinity)) {
      const expected =
        i === begin
          ? 'finite log-probs of at most 0'
          : `finite log-probs of at most ${before}, the one before`;
      return { list: 'logps', found: String(logp), expected };
    }
    before = logp;
    probability += Math.exp(logp);
  }
  if (probability <= MAX_PROBABILITY) return undefined;
  return { list: 'logps', found: `probabilities that sum to ${probability}`, expected: 'a sum of at most 1' };
}
