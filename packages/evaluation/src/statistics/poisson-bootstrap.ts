/**
 * Bootstrap intervals of means over a stream. In each replicate a unit counts as often as a Poisson(1) draw says, which is the
 * limit of drawing with replacement (Hanley and MacGibbon 2006; Chamandy et al. 2012), so nothing has to be kept but the
 * replicates' sums: memory does not grow with the units. Draws depend on the seed and the unit's key alone, so two
 * bootstraps over the same units draw alike, and the difference of their replicates is the paired bootstrap.
 */
import { SeededRandom, mixSeeds } from '@selective-dpo/foundation';

export const REPLICATES = 2000;
/** Share of the replicates inside an interval. */
export const CONFIDENCE = 0.95;

/** A mean and its percentile interval. */
export interface Estimate {
  value: number;
  low: number;
  high: number;
}

/** e^{-1} Σ_{j ≤ k} 1/j!: a uniform number below the k-th and not below the one before draws k. */
const POISSON_CUMULATED = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].reduce<number[]>((sums, k) => {
  const factorial = Array.from({ length: k }, (_, i) => i + 1).reduce((a, b) => a * b, 1);
  return [...sums, (sums.at(-1) ?? 0) + Math.exp(-1) / factorial];
}, []);

export class PoissonBootstrap {
  private readonly weights: Float64Array;
  private readonly sums: Map<string, Float64Array>;
  private readonly totals: Map<string, number>;
  private readonly draws: Uint8Array;
  private weight = 0;

  /** @param names of the figures of a unit. @param seed equal seeds draw alike. */
  constructor(
    names: readonly string[],
    private readonly seed = 0,
    replicates = REPLICATES,
  ) {
    this.weights = new Float64Array(replicates);
    this.draws = new Uint8Array(replicates);
    this.sums = new Map(names.map((name) => [name, new Float64Array(replicates)]));
    this.totals = new Map(names.map((name) => [name, 0]));
  }

  /**
   * Adds a unit.
   * @param key whole number that names the unit (a pair, a question).
   * @param figures a value a name; the mean is Σ value / Σ weight.
   * @param weight of the unit, 1 unless its values are sums over several parts.
   */
  add(key: number, figures: Readonly<Record<string, number>>, weight = 1): void {
    const random = new SeededRandom(mixSeeds(this.seed, key));
    for (let r = 0; r < this.draws.length; r++) {
      const draw = poissonOf(random.next());
      this.draws[r] = draw;
      this.weights[r]! += draw * weight;
    }
    this.weight += weight;
    for (const [name, sums] of this.sums) {
      const value = figures[name]!;
      this.totals.set(name, this.totals.get(name)! + value);
      for (let r = 0; r < sums.length; r++) sums[r]! += this.draws[r]! * value;
    }
  }

  /** The mean of a figure over all units; undefined where there is none. */
  estimate(name: string): Estimate | undefined {
    if (this.weight === 0) return undefined;
    return { value: this.totals.get(name)! / this.weight, ...interval(this.replicatesOf(name)) };
  }

  /**
   * This mean less that of `other`, which saw the same units with the same seed.
   * @throws RangeError where it did not.
   */
  difference(other: PoissonBootstrap, name: string): Estimate | undefined {
    if (this.weight !== other.weight || this.weights.some((weight, r) => weight !== other.weights[r])) {
      throw new RangeError('a paired difference needs the same units and the same seed');
    }
    if (this.weight === 0) return undefined;
    const theirs = other.replicatesOf(name);
    const differences = this.replicatesOf(name).map((mean, r) => mean - theirs[r]!);
    return {
      value: (this.totals.get(name)! - other.totals.get(name)!) / this.weight,
      ...interval(differences),
    };
  }

  /** Means of a figure, one a replicate; NaN for one that drew nothing. */
  private replicatesOf(name: string): Float64Array {
    return this.sums.get(name)!.map((sum, r) => sum / this.weights[r]!);
  }
}

function poissonOf(uniform: number): number {
  let k = 0;
  while (k < POISSON_CUMULATED.length && uniform >= POISSON_CUMULATED[k]!) k++;
  return k;
}

function interval(replicates: Float64Array): { low: number; high: number } {
  const sorted = replicates.filter((mean) => !Number.isNaN(mean)).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? NaN;
  return { low: at((1 - CONFIDENCE) / 2), high: at((1 + CONFIDENCE) / 2) };
}
