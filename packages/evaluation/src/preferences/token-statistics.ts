/** What a policy makes of single response tokens: log-probs, alignment scores, and where the kept ones stand. */
import { QuantileSketch, type Distribution } from '@selective-dpo/foundation';
import { alignmentScores, type PairOutcome, type Side } from '@selective-dpo/trainer';

/** Kept tokens among those at some positions of a response. */
export interface PositionShare {
  /** 0-based position of the first token and of the last one. */
  first: number;
  last: number;
  tokens: number;
  kept: number;
}

/** Of all tokens of one side, or of the kept ones; in nats. Absent where there is no token. */
export interface TokenDistributions {
  policyLogps?: Distribution | undefined;
  refLogps?: Distribution | undefined;
  /** Step 1 of Selective-DPO: high where training is due. */
  alignmentScores?: Distribution | undefined;
}

export interface SideStatistics {
  all: TokenDistributions;
  kept: TokenDistributions;
  /** By powers of two of the position: 0, 1, 2–3, 4–7, … */
  keptByPosition: PositionShare[];
}

export type TokenStatistics = Record<Side, SideStatistics>;

const SIDES: readonly Side[] = ['chosen', 'rejected'];

/** Gathers statistics over any number of tokens; quantiles are within 0.5% of their value (see {@link QuantileSketch}). */
export class TokenStatisticsGatherer {
  private readonly sides = { chosen: new SideGatherer('chosen'), rejected: new SideGatherer('rejected') };

  add({ input: { logps }, selection }: PairOutcome): void {
    this.sides.chosen.add(logps.policyChosen, logps.refChosen, selection.chosen);
    this.sides.rejected.add(logps.policyRejected, logps.refRejected, selection.rejected);
  }

  statistics(): TokenStatistics {
    return Object.fromEntries(SIDES.map((side) => [side, this.sides[side].statistics()])) as TokenStatistics;
  }
}

class Sketches {
  readonly policyLogps = new QuantileSketch();
  readonly refLogps = new QuantileSketch();
  readonly alignmentScores = new QuantileSketch();

  distributions(): TokenDistributions {
    return {
      policyLogps: this.policyLogps.distribution(),
      refLogps: this.refLogps.distribution(),
      alignmentScores: this.alignmentScores.distribution(),
    };
  }
}

class SideGatherer {
  private readonly all = new Sketches();
  private readonly kept = new Sketches();
  /** [bucket] tokens, kept. */
  private readonly positions: [number, number][] = [];

  constructor(private readonly side: Side) {}

  add(policy: Float32Array, ref: Float32Array, mask: Uint8Array): void {
    const scores = alignmentScores(this.side, policy, ref);
    scores.forEach((score, t) => {
      const kept = mask[t] === 1;
      for (const sketches of kept ? [this.all, this.kept] : [this.all]) {
        sketches.policyLogps.add(policy[t]!);
        sketches.refLogps.add(ref[t]!);
        sketches.alignmentScores.add(score);
      }
      const place = (this.positions[bucketOf(t)] ??= [0, 0]);
      place[0]++;
      if (kept) place[1]++;
    });
  }

  statistics(): SideStatistics {
    return {
      all: this.all.distributions(),
      kept: this.kept.distributions(),
      keptByPosition: this.positions.map(([tokens, kept], bucket) => ({
        first: bucket === 0 ? 0 : 2 ** (bucket - 1),
        last: 2 ** bucket - 1,
        tokens,
        kept,
      })),
    };
  }
}

/** 0 → 0, 1 → 1, 2 and 3 → 2, 4 to 7 → 3, … */
function bucketOf(position: number): number {
  return position === 0 ? 0 : 1 + Math.floor(Math.log2(position));
}
