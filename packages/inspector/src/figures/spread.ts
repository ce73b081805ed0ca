/** How values are spread: exactly where all of them are held, else from a stream. */
import { QuantileSketch } from '@selective-dpo/foundation';
import { LOGP_BINS, OUTER_SHARE, binOf, binsBetween, edgesOf, type Bins } from '@selective-dpo/data/figures';
import type { Histogram, Spread } from '../site-contract.js';

/** Shares at which quantiles are given. */
const SHARES = [0.05, 0.25, 0.5, 0.75, 0.95] as const;

/**
 * Of values that are all at hand. A quantile q is the value of rank floor(q · (n − 1)); the histogram has the bins of {@link binsBetween}.
 * @param values [N], N ≥ 1, finite; they are sorted in place.
 */
export function exactSpread(values: Int32Array | Float64Array): Spread {
  values.sort();
  const n = values.length;
  const at = (share: number): number => values[Math.floor(share * (n - 1))]!;
  let sum = 0;
  for (const value of values) sum += value;
  const bins = binsBetween(at(OUTER_SHARE), at(1 - OUTER_SHARE), values instanceof Int32Array);
  const counts = new Float64Array(bins.count);
  for (const value of values) counts[binOf(value, bins)]!++;
  return {
    ...{ total: n, min: values[0]!, mean: sum / n, max: values[n - 1]! },
    quantiles: SHARES.map(at) as unknown as Spread['quantiles'],
    histogram: histogramOf(bins, counts),
  };
}

/**
 * Of any number of log-probs in memory that does not grow: count, smallest, mean, largest and histogram are exact, quantiles within
 * {@link RELATIVE_ERROR} of their value (0.5%).
 */
export class LogpSpread {
  private readonly sketch = new QuantileSketch();
  private readonly counts = new Float64Array(LOGP_BINS.count);

  add(logps: Float32Array): void {
    for (let t = 0; t < logps.length; t++) {
      const logp = logps[t]!;
      this.sketch.add(logp);
      this.counts[binOf(logp, LOGP_BINS)]!++;
    }
  }

  /** undefined where there was none. */
  spread(): Spread | undefined {
    const found = this.sketch.distribution();
    return (
      found && {
        ...{ total: found.count, min: found.min, mean: found.mean, max: found.max },
        quantiles: [found.p5, found.p25, found.p50, found.p75, found.p95],
        histogram: histogramOf(LOGP_BINS, this.counts),
      }
    );
  }
}

function histogramOf(bins: Bins, counts: Float64Array): Histogram {
  return { edges: edgesOf(bins), counts: Array.from(counts) };
}
