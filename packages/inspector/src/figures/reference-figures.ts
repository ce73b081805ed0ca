/** Does the reference prefer the chosen answers, and where not? */
import type { ReferenceFigures } from '../site-contract.js';
import { exactSpread } from './spread.js';

/** Pairs that are named, at most. */
const MOST_WRONG = 100;

/** Margins of pairs as they come; memory: 16 bytes a pair. */
export class MarginGatherer {
  private readonly sums: Float64Array;
  private readonly means: Float64Array;
  private pairs = 0;

  /** @param pairs how many there are. */
  constructor(pairs: number) {
    this.sums = new Float64Array(pairs);
    this.means = new Float64Array(pairs);
  }

  /** The sums of the reference's log-probs of a pair's answers, in nats, and their lengths in tokens. */
  add(chosen: number, rejected: number, chosenTokens: number, rejectedTokens: number): void {
    this.sums[this.pairs] = chosen - rejected;
    this.means[this.pairs++] = chosen / chosenTokens - rejected / rejectedTokens;
  }

  /** To be asked for once, after all pairs: the margins are sorted in place. */
  figures(): ReferenceFigures {
    const mostWrong = this.mostWrong();
    const [right, ties] = [
      count(this.sums, (margin) => margin > 0),
      count(this.sums, (margin) => margin === 0),
    ];
    const rightPerToken = count(this.means, (margin) => margin > 0);
    return {
      ...{ accuracy: right / this.pairs, ties: ties / this.pairs, margin: exactSpread(this.sums) },
      ...{ accuracyPerToken: rightPerToken / this.pairs, marginPerToken: exactSpread(this.means) },
      mostWrong,
    };
  }

  /** Negative margins alone, ascending; the earlier pair first where they are equal. */
  private mostWrong(): ReferenceFigures['mostWrong'] {
    const cut = Float64Array.from(this.sums).sort()[Math.min(MOST_WRONG, this.pairs) - 1]!;
    const wrong: { pairIndex: number; margin: number }[] = [];
    this.sums.forEach((margin, pairIndex) => {
      if (margin < 0 && margin <= cut) wrong.push({ pairIndex, margin });
      // Ties at the cut may be many.
      if (wrong.length >= 4 * MOST_WRONG) keepWorst(wrong);
    });
    keepWorst(wrong);
    return wrong;
  }
}

function keepWorst(wrong: { pairIndex: number; margin: number }[]): void {
  wrong.sort((a, b) => a.margin - b.margin || a.pairIndex - b.pairIndex);
  wrong.length = Math.min(wrong.length, MOST_WRONG);
}

function count(values: Float64Array, which: (value: number) => boolean): number {
  let found = 0;
  for (const value of values) if (which(value)) found++;
  return found;
}
