/** One interface for whatever computes a reference's log-probs: a model on this machine or a server. */
import type { ReferenceTop, Rescored } from '@selective-dpo/data';
import type { TokenizedPair } from '@selective-dpo/foundation';

/** Log-probs of one pair's response tokens under the reference, in nats: [C] and [R]. */
export interface PairLogps {
  chosen: Float32Array;
  rejected: Float32Array;
  /** Where the likeliest tokens were asked for. */
  top?: ReferenceTop;
}

export interface Scorer {
  /**
   * What the cache's manifest records of the scorer: everything that may change a value's last bits. A cache is only
   * ever continued by a scorer with an equal identity.
   */
  readonly identity: Record<string, string | number>;
  /** Scores the pairs of one shard, in their order. `onScored` is told of every batch. */
  score(
    pairs: readonly TokenizedPair[],
    onScored: (pairs: number, tokens: number) => void,
  ): Promise<PairLogps[]>;
  /**
   * Scores some of a shard's pairs again where two answers may differ. Which ones depends on the pairs alone.
   * @throws InputError `reference-not-stable`.
   */
  rescore?(pairs: readonly TokenizedPair[], logps: readonly PairLogps[]): Promise<Rescored | undefined>;
  dispose(): void;
}
