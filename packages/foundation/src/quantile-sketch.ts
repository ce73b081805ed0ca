/**
 * Quantiles of a stream in bounded memory: DDSketch (arXiv 1908.10693). Values go into buckets whose bounds grow by a factor,
 * so a quantile is off by at most {@link RELATIVE_ERROR} of itself, or by {@link SMALLEST} near 0. Float32 values fill
 * at most some 11,000 buckets, however many they are.
 */

/** A quantile's error as a share of its value. */
export const RELATIVE_ERROR = 0.005;
/** Values nearer to 0 count as 0. */
export const SMALLEST = 1e-9;

const GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const LOG_GROWTH = Math.log(GROWTH);

/** What a {@link QuantileSketch} says of its values. Mean, smallest and largest are exact. */
export interface Distribution {
  count: number;
  mean: number;
  min: number;
  p5: number;
  p25: number;
  p50: number;
  p75: number;
  p95: number;
  max: number;
}

export class QuantileSketch {
  private readonly positive = new Map<number, number>();
  private readonly negative = new Map<number, number>();
  private zeros = 0;
  private total = 0;
  private sum = 0;
  private least = Infinity;
  private most = -Infinity;

  /** @param value finite. @throws RangeError for others. */
  add(value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`${value} has no place in a distribution`);
    this.total++;
    this.sum += value;
    this.least = Math.min(this.least, value);
    this.most = Math.max(this.most, value);
    const size = Math.abs(value);
    if (size < SMALLEST) {
      this.zeros++;
      return;
    }
    const buckets = value > 0 ? this.positive : this.negative;
    const bucket = Math.ceil(Math.log(size) / LOG_GROWTH);
    buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
  }

  get count(): number {
    return this.total;
  }

  /** The value of rank floor(q · (count − 1)), within the error stated above; NaN where there is none. @param q in [0, 1]. */
  quantile(q: number): number {
    return this.quantiles([q])[0]!;
  }

  /** undefined where there is no value. */
  distribution(): Distribution | undefined {
    if (this.total === 0) return undefined;
    const [p5, p25, p50, p75, p95] = this.quantiles([0.05, 0.25, 0.5, 0.75, 0.95]) as [
      number,
      number,
      number,
      number,
      number,
    ];
    return {
      ...{ count: this.total, mean: this.sum / this.total, min: this.least },
      ...{ p5, p25, p50, p75, p95, max: this.most },
    };
  }

  private quantiles(shares: readonly number[]): number[] {
    const ordered = this.ordered();
    return shares.map((share) => {
      let rank = Math.floor(share * (this.total - 1));
      for (const [value, count] of ordered) {
        if (rank < count) return Math.min(this.most, Math.max(this.least, value));
        rank -= count;
      }
      return NaN;
    });
  }

  /** The middle of every bucket (in relative terms) and its count, ascending. */
  private ordered(): [number, number][] {
    const middle = (bucket: number): number => (2 * Math.exp(bucket * LOG_GROWTH)) / (GROWTH + 1);
    const ascending = (buckets: Map<number, number>) => [...buckets].sort(([a], [b]) => a - b);
    return [
      ...ascending(this.negative)
        .reverse()
        .map(([bucket, count]): [number, number] => [-middle(bucket), count]),
      ...(this.zeros > 0 ? [[0, this.zeros] as [number, number]] : []),
      ...ascending(this.positive).map(([bucket, count]): [number, number] => [middle(bucket), count]),
    ];
  }
}
