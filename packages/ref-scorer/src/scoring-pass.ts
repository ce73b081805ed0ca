/** The pass itself: pairs are gathered into shards, scored and published; dropped rows are counted and listed. */
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ProgressMeter, InputError, counted, type TokenizedPair } from '@selective-dpo/foundation';
import {
  DROPPED_FILE,
  DropLedger,
  isDroppedRow,
  layoutOfFile,
  rescoredOf,
  tokenizePairs,
  type CacheManifest,
  type CacheRow,
  type CacheWriter,
  type PairTokenizer,
  type PreferenceSource,
} from '@selective-dpo/data';
import { interruptedBy, stopIfAsked } from './interruption.js';
import type { Reference } from './reference.js';
import type { DatasetOptions } from './score-options.js';
import type { PairLogps, Scorer } from './scorer.js';

/** Longest time between two chances for Ctrl-C. */
const GIVE_WAY_MS = 50;

export class ScoringPass {
  private pairs = 0;
  private shard: TokenizedPair[] = [];
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
    private readonly writer: CacheWriter,
    private readonly rowsPerShard: number,
    private readonly reference: Pick<Reference, 'name' | 'vocabSize' | 'maxPositionEmbeddings'>,
  ) {}

  /**
   * Runs to the end of the source and publishes the manifest.
   * @throws Interrupted when asked to stop; InputError `no-pairs` when every row was dropped.
   */
  async run(): Promise<CacheManifest> {
    const alreadyScored = this.writer.resumeFrom.rows;
    this.meter = new ProgressMeter('score', 'pairs', await this.countRows(), alreadyScored);
    if (alreadyScored > 0) {
      this.options.listener?.({
        type: 'notice',
        code: 'resumed',
        message: `going on after ${counted(alreadyScored, 'pair')} in ${counted(this.writer.resumeFrom.shards, 'published shard')}`,
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
    const manifest = await this.writer.finish(counts);
    this.tellOfRescored(manifest);
    return manifest;
  }

  private tellOfRescored(manifest: CacheManifest): void {
    const rescored = rescoredOf(manifest);
    if (rescored === undefined) return;
    const { pairs, greatestDifference } = rescored;
    this.options.listener?.({
      type: 'notice',
      code: 'rescored',
      message: `${counted(pairs, 'pair')} scored twice: log-probs at most ${greatestDifference} nats apart`,
      figures: { pairs, greatestDifference },
    });
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
      this.pairs++;
      if (this.pairs <= alreadyScored) continue;
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
    await this.writer.publishShard(rows, rescored);
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
