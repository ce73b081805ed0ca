/** Token ids as every stage holds them. */
export type TokenIds = Int32Array;

/**
 * A preference pair as token ids, made once (package data) and read by both stages. The ids of the
 * whole sequences are `promptIds + chosenIds` and `promptIds + rejectedIds`; EOS belongs to the response.
 */
export interface TokenizedPair {
  /** Stable identifier of the pair within its dataset. */
  pairId: string;
  /** 0-based row in the source file. */
  sourceRow: number;
  /** [P], at least one token. */
  promptIds: TokenIds;
  /** [C], at least one token. */
  chosenIds: TokenIds;
  /** [R], at least one token. */
  rejectedIds: TokenIds;
}
