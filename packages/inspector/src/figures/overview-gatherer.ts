/** The figures of a whole cache, from its pairs as they come. */
import type { CacheRow } from '@selective-dpo/data';
import type { RepeatFigures, Overview } from '../site-contract.js';
import { MarginGatherer } from './reference-figures.js';
import { LogpSpread, exactSpread } from './spread.js';

/** Memory: 28 bytes a pair, and two sketches that do not grow. */
export class OverviewGatherer {
  private readonly promptTokens: Int32Array;
  private readonly chosenTokens: Int32Array;
  private readonly rejectedTokens: Int32Array;
  private readonly margins: MarginGatherer;
  private readonly chosenLogps = new LogpSpread();
  private readonly rejectedLogps = new LogpSpread();
  private pairs = 0;

  /** @param pairs how many there are. */
  constructor(pairs: number) {
    [this.promptTokens, this.chosenTokens, this.rejectedTokens] = [1, 2, 3].map(
      () => new Int32Array(pairs),
    ) as [Int32Array, Int32Array, Int32Array];
    this.margins = new MarginGatherer(pairs);
  }

  /** @param chosenSum @param rejectedSum sums of the reference's log-probs, in nats. */
  add(row: CacheRow, chosenSum: number, rejectedSum: number): void {
    const { promptIds, chosenIds, rejectedIds } = row;
    this.promptTokens[this.pairs] = promptIds.length;
    this.chosenTokens[this.pairs] = chosenIds.length;
    this.rejectedTokens[this.pairs++] = rejectedIds.length;
    this.margins.add(chosenSum, rejectedSum, chosenIds.length, rejectedIds.length);
    this.chosenLogps.add(row.chosenRefLogps);
    this.rejectedLogps.add(row.rejectedRefLogps);
  }

  /**
   * To be asked for once, after all pairs.
   * @param dropped rows of the dataset that gave no pair, by reason.
   */
  overview(dropped: Overview['dropped'], duplicates: RepeatFigures): Overview {
    return {
      ...{ rows: this.pairs, dropped },
      promptTokens: exactSpread(this.promptTokens),
      chosenTokens: exactSpread(this.chosenTokens),
      rejectedTokens: exactSpread(this.rejectedTokens),
      reference: this.margins.figures(),
      chosenLogps: this.chosenLogps.spread()!,
      rejectedLogps: this.rejectedLogps.spread()!,
      duplicates,
    };
  }
}
