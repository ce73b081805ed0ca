/** The pass itself: pairs are gathered into shards, scored and published; dropped rows are counted and listed. */
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ProgressMeter, InputError, counted, type TokenizedPair } from '@selective-dpo/foundation';
import {
  DROPPED_FILE,
  DropLedger,
  isDroppedRow,
  layoutOfFile,
  refuseManyShards,
  tokenizePairs,
  type CacheRow,
  type PairTokenizer,
  type PreferenceSource,
  type Rescored,
} from '@selective-dpo/data';
import { interruptedBy, stopIfAsked } from './interruption.js';
import type { Reference } from './reference.js';
import type { DatasetOptions } from './score-options.js';
import type { PairLogps, Scorer } from './scorer.js';

/** Longest time between two chances for Ctrl-C. */
const GIVE_WAY_MS = 50;

/** Where shards go. */
export interface ShardTaker {
  /** Shards, and pairs in them, at the beginning of the dataset that were published before. */
  readonly resumeFrom: { shards: number; rows: number };
  /** Whether shard `index` is to be scored. They are asked for in order. */
  wants(index: number): Promise<boolean>;
  publishShard(index: number, rows: readonly CacheRow[], rescored?: Rescored): Promise<void>;
}

/** What the dataset came to. */
export interface SourceEnding {
  pairs: number;
  dropped: Partial<Record<string, number>>;
}

export class ScoringPass {
  private pairs = 0;
  private shard: TokenizedPair[] = [];
  /** Whether the pairs that are read now are of a shard to be scored. */
  private wanted = true;
  private meter!: ProgressMeter;
  private tokens = 0;
  private readonly startedAt = performance.now();
  private gaveWayAt = performance.now();
  private toldOfContext = false;

  constructor(
    private readonly options: DatasetOptions,
    private readonly source: PreferenceSource,
    private readonly tokenizer: PairTokenizer,
    private readonly scorer: Scorer,
    private readonly shards: ShardTaker,
    private readonly rowsPerShard: number,
    private readonly reference: Pick<Reference, 'name' | 'vocabSize' | 'maxPositionEmbeddings'>,
  ) {}

  /**
   * Runs to the end of the source.
   * @throws Interrupted when asked to stop; InputError `no-pairs` when every row was dropped, `too-many-shards`.
   */
  async run(): Promise<SourceEnding> {
    const { rows: alreadyScored, shards: published } = this.shards.resumeFrom;
    const rows = await this.countRows();
    refuseManyShards(this.options.dataFile, rows, this.rowsPerShard);
    this.meter = new ProgressMeter('score', 'pairs', rows, alreadyScored);
    if (alreadyScored > 0) {
      this.options.listener?.({
        type: 'notice',
        code: 'resumed',
        message: `going on after ${counted(alreadyScored, 'pair')} in ${counted(published, 'published shard')}`,
      });
    }
    const droppedFile = join(this.options.outDirectory, DROPPED_FILE);
    const counts = await DropLedger.publish(droppedFile, async (ledger) => {
      await this.scoreAll(ledger, alreadyScored);
      return ledger.counts();
    });
    if (this.pairs === 0) {
      const likely = await layoutOfFile(this.options.dataFile);
      const other =
        likely === undefined || likely === this.source.layout
          ? ''
          : `use --layout ${likely}, which the first row has; `;
      throw new InputError('no-pairs', 'no row of the dataset gives a pair to score', {
        file: this.options.dataFile,
        found: Object.entries(counts)
          .map(([reason, count]) => `${count} ${reason}`)
          .join(', '),
        expected: 'at least one usable preference row',
        hint: `${other}see ${droppedFile} for each row’s reason`,
      });
    }
    return { pairs: this.pairs, dropped: counts };
  }

  /** Rows of the source: parsing them once more is cheap beside scoring, and gives the time left. */
  private async countRows(): Promise<number> {
    let rows = 0;
    for await (const row of this.source.rows()) {
      if (row !== undefined) rows++;
      await this.letSignalsIn();
    }
    return rows;
  }

  private async scoreAll(ledger: DropLedger, alreadyScored: number): Promise<void> {
    for await (const item of tokenizePairs(this.source, this.tokenizer, this.options.limits)) {
      await this.letSignalsIn();
      if (isDroppedRow(item)) {
        await ledger.add(item);
        this.emit(1);
        continue;
      }
      const place = this.pairs++;
      if (place < alreadyScored) continue;
      if (place % this.rowsPerShard === 0) this.wanted = await this.shards.wants(place / this.rowsPerShard);
      if (!this.wanted) {
        this.emit(1);
        continue;
      }
      this.refuseUnknownIds(item);
      this.tellOfContext(item);
      this.shard.push(item);
      if (this.shard.length === this.rowsPerShard) await this.publishShard();
    }
    if (this.shard.length > 0) await this.publishShard();
  }

  private async publishShard(): Promise<void> {
    const pairs = this.shard;
    const { signal } = this.options;
    const logps = await interruptedBy(signal, () =>
      this.scorer.score(pairs, (scored, tokens) => {
        this.tokens += tokens;
        this.emit(scored);
        this.stopIfAsked();
      }),
    );
    pairs.forEach((pair, i) => this.refuseNonFinite(pair, logps[i]!));
    const rescored = await interruptedBy(signal, async () => this.scorer.rescore?.(pairs, logps));
    const rows: CacheRow[] = pairs.map((pair, i) => {
      const { chosen, rejected, top } = logps[i]!;
      return {
        ...pair,
        chosenRefLogps: chosen,
        rejectedRefLogps: rejected,
        ...(top && { refTop: top }),
      };
    });
    // Rows were read before this moment: what is published is of the dataset that the inputs name.
    await this.source.refuseChanged();
    await this.shards.publishShard(Math.floor((this.pairs - 1) / this.rowsPerShard), rows, rescored);
    this.shard = [];
    this.stopIfAsked();
  }

  private emit(units: number): void {
    const seconds = (performance.now() - this.startedAt) / 1000;
    const figures = this.tokens === 0 ? undefined : { 'tokens/s': this.tokens / seconds };
    this.options.listener?.(this.meter.advance(units, figures));
  }

  /** Reading and tokenising may go on for long without giving way to signals. */
  private async letSignalsIn(): Promise<void> {
    const now = performance.now();
    if (now - this.gaveWayAt < GIVE_WAY_MS) return;
    await setImmediate();
    this.gaveWayAt = now;
    this.stopIfAsked();
  }

  private stopIfAsked(): void {
    stopIfAsked(this.options.signal);
  }

  /** A damaged reference gives NaN; the cache would be of no use. */
  private refuseNonFinite(pair: TokenizedPair, { chosen, rejected }: PairLogps): void {
    const found = [...chosen, ...rejected].find((logp) => !Number.isFinite(logp));
    if (found === undefined) return;
    throw new InputError('reference-not-finite', 'the reference gives log-probs that are no numbers', {
      file: this.reference.name,
      found: `${found} for a token of row ${pair.sourceRow}`,
      expected: 'finite log-probs',
      hint: 'its weights are damaged or overflow: check or download them again',
    });
  }

  /** Once, at the first pair that is longer than the reference was made for. */
  private tellOfContext({ sourceRow, promptIds, chosenIds, rejectedIds }: TokenizedPair): void {
    const length = promptIds.length + Math.max(chosenIds.length, rejectedIds.length);
    const { maxPositionEmbeddings: context } = this.reference;
    if (this.toldOfContext || length <= context) return;
    this.toldOfContext = true;
    this.options.listener?.({
      type: 'notice',
      code: 'beyond-context',
      message:
        `row ${sourceRow} has ${length} tokens, and the reference's context is ${context}: log-probs beyond it are computed, ` +
        `but the model was never trained on such positions; --max-length ${context} leaves them out`,
    });
  }

  private refuseUnknownIds(pair: TokenizedPair): void {
    for (const ids of [pair.promptIds, pair.chosenIds, pair.rejectedIds]) {
      const unknown = ids.find((id) => id >= this.reference.vocabSize);
      if (unknown === undefined) continue;
      throw new InputError(
        'token-out-of-range',
        'the tokenizer gives an id that the reference does not have',
        {
          file: this.options.dataFile,
          row: pair.sourceRow,
          found: String(unknown),
          expected: `ids below ${this.reference.vocabSize}`,
          hint: 'use a reference with the same vocabulary as the policy',
        },
      );
    }
  }
}
