/** The n likeliest tokens out of what a server lists for one place. */
import { checkedLogp, refuseShape, type AnswerPlace } from './answer-checks.js';

/** [T · n] ids and log-probs, the likeliest first, ties by id. */
export class LikeliestTokens {
  readonly ids: Int32Array;
  readonly logps: Float32Array;

  constructor(
    tokens: number,
    private readonly n: number,
  ) {
    this.ids = new Int32Array(tokens * n);
    this.logps = new Float32Array(tokens * n);
  }

  /**
   * Takes the first n of the entries.
   * @param token index in the response.
   * @param position of it in the whole sequence, for errors.
   * @param entries ids and log-probs as the server gave them, in any order.
   * @throws InputError `server-answer-invalid`, `reference-not-finite`, `reference-not-logprob`.
   */
  set(
    place: AnswerPlace,
    token: number,
    position: number,
    entries: readonly (readonly [id: number, logp: unknown])[],
  ): void {
    const { n } = this;
    if (entries.length < n) {
      refuseShape(place, `likeliest tokens at position ${position}`, entries.length, `at least ${n}`);
    }
    const sorted = entries
      .map(([id, logp]) => [id, checkedLogp(place, position, logp)] as const)
      .sort(([idA, a], [idB, b]) => b - a || idA - idB);
    for (let i = 0; i < n; i++) {
      const [id, logp] = sorted[i]!;
      if (!Number.isInteger(id) || id < 0) refuseShape(place, 'likeliest tokens', id, 'token ids');
      this.ids[token * n + i] = id;
      this.logps[token * n + i] = logp;
    }
  }
}

/** Both responses' likeliest tokens as a cache keeps them. */
export function topOf(chosen: LikeliestTokens, rejected: LikeliestTokens) {
  return {
    chosenIds: chosen.ids,
    chosenLogps: chosen.logps,
    rejectedIds: rejected.ids,
    rejectedLogps: rejected.logps,
  };
}
