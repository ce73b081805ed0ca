/**
 * A pass over a dataset that grew or changed takes the log-probs of whole shards from an earlier cache. A shard's values depend on its own pairs
 * alone, since batches never cross shards; so where all its pairs are what they were, taking them over gives the bytes of scoring anew.
 */
import type { TokenizedPair } from '@selective-dpo/foundation';
import {
  CacheReader,
  refuseOtherInputs,
  type CacheInputs,
  type CacheRow,
  type Rescored,
} from '@selective-dpo/data';
import type { PairLogps, Scorer } from './scorer.js';

export class ReusingScorer implements Scorer {
  /** Pairs that were taken over. */
  reused = 0;
  private readonly starts: number[] = [];
  /** The earlier shard that the last one was taken from. */
  private taken: number | undefined;

  private constructor(
    private readonly scorer: Scorer,
    private readonly earlier: CacheReader,
  ) {
    let start = 0;
    for (const { rows } of earlier.manifest.shards) {
      this.starts.push(start);
      start += rows;
    }
  }

  /**
   * @param directory a finished cache.
   * @param inputs of the pass: all but the dataset must be those of the earlier cache, or its values would be others.
   * @throws InputErrors `cache-inputs-differ`; those of {@link CacheReader.open}.
   */
  static async open(scorer: Scorer, directory: string, inputs: CacheInputs): Promise<ReusingScorer> {
    const earlier = await CacheReader.open(directory);
    try {
      const { dataset } = inputs;
      const hint = 'give the settings that this cache was made with, or score without --reuse';
      refuseOtherInputs({ ...earlier.manifest.inputs, dataset }, inputs, directory, hint);
      return new ReusingScorer(scorer, earlier);
    } catch (error) {
      await earlier.close();
      throw error;
    }
  }

  get identity(): Scorer['identity'] {
    return this.scorer.identity;
  }

  async score(
    pairs: readonly TokenizedPair[],
    onScored: (pairs: number, tokens: number) => void,
  ): Promise<PairLogps[]> {
    const rows = await this.sameShard(pairs);
    if (rows === undefined) return this.scorer.score(pairs, onScored);
    this.reused += pairs.length;
    onScored(pairs.length, 0);
    return rows.map(({ chosenRefLogps: chosen, rejectedRefLogps: rejected, refTop }) => ({
      ...{ chosen, rejected },
      ...(refTop && { top: refTop }),
    }));
  }

  /** What was taken over is not asked for again: the earlier cache says what that gave. */
  async rescore(pairs: readonly TokenizedPair[], logps: readonly PairLogps[]): Promise<Rescored | undefined> {
    if (this.taken !== undefined) return this.earlier.manifest.shards[this.taken]!.rescored;
    return this.scorer.rescore?.(pairs, logps);
  }

  async close(): Promise<void> {
    await this.earlier.close();
  }

  dispose(): void {
    this.scorer.dispose();
  }

  /** The rows of an earlier shard of exactly these pairs. */
  private async sameShard(pairs: readonly TokenizedPair[]): Promise<CacheRow[] | undefined> {
    this.taken = undefined;
    const shard = await this.shardFrom(pairs[0]!.sourceRow);
    if (shard === undefined || this.earlier.manifest.shards[shard]!.rows !== pairs.length) return undefined;
    const rows: CacheRow[] = [];
    for (const [i, pair] of pairs.entries()) {
      const row = await this.earlier.row(this.starts[shard]! + i);
      if (!isSamePair(row, pair)) return undefined;
      rows.push(row);
    }
    this.taken = shard;
    return rows;
  }

  /** The shard whose first pair is of a row of the dataset; rows ascend. */
  private async shardFrom(sourceRow: number): Promise<number | undefined> {
    let [low, high] = [0, this.starts.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const { sourceRow: found } = await this.earlier.row(this.starts[middle]!);
      if (found === sourceRow) return middle;
      if (found < sourceRow) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }
}

/** A pair's id holds its row and a digest of its texts; its ids decide the values. */
function isSamePair(row: CacheRow, pair: TokenizedPair): boolean {
  const isEqual = (a: Int32Array, b: Int32Array): boolean =>
    a.length === b.length && a.every((id, i) => id === b[i]);
  return (
    row.pairId === pair.pairId &&
    row.sourceRow === pair.sourceRow &&
    isEqual(row.promptIds, pair.promptIds) &&
    isEqual(row.chosenIds, pair.chosenIds) &&
    isEqual(row.rejectedIds, pair.rejectedIds)
  );
}
