/** How values are spread: exactly where all of them are held, else from a stream. */
import { QuantileSketch } from '@selective-dpo/foundation';
import type { Histogram, Spread } from '../site-contract.js';

/** Shares at which quantiles are given. */
const SHARES = [0.05, 0.25, 0.5, 0.75, 0.95] as const;
/** Bins of a histogram, at most. */
const BINS = 40;
/** A histogram's edges go from this quantile to the opposite one, so that a few outliers do not make all others one bin. */
const OUTER_SHARE = 0.005;
/** Of log-probs, whatever they are: from −20 to 0 nats in steps of a quarter. */
const LOGP_EDGES = Float64Array.from({ length: 81 }, (_, i) => -20 + i / 4);

/**
 * Of values that are all at hand. A quantile q is the value of rank floor(q · (n − 1)); the histogram has at most {@link BINS} bins of
 * equal width, of whole numbers in whole numbers.
 * @param values [N], N ≥ 1, finite; they are sorted in place.
 */
export function exactSpread(values: Int32Array | Float64Array): Spread {
  values.sort();
  const n = values.length;
  const at = (share: number): number => values[Math.floor(share * (n - 1))]!;
  let sum = 0;
  for (const value of values) sum += value;
  const edges = equalEdges(at(OUTER_SHARE), at(1 - OUTER_SHARE), values instanceof Int32Array);
  const counts = new Float64Array(edges.length - 1);
  for (const value of values) counts[binOf(edges, value)]!++;
  return {
    ...{ total: n, min: values[0]!, mean: sum / n, max: values[n - 1]! },
    quantiles: SHARES.map(at) as unknown as Spread['quantiles'],
    histogram: histogramOf(edges, counts),
  };
}

/**
 * Of any number of log-probs in memory that does not grow: count, smallest, mean, largest and histogram are exact, quantiles within
 * {@link RELATIVE_ERROR} of their value (0.5%).
 */
export class LogpSpread {
  private readonly sketch = new QuantileSketch();
  private readonly counts = new Float64Array(LOGP_EDGES.length - 1);

  add(logps: Float32Array): void {
    for (let t = 0; t < logps.length; t++) {
      const logp = logps[t]!;
      this.sketch.add(logp);
      this.counts[Math.max(0, Math.min(79, Math.floor(4 * (logp + 20))))]!++;
    }
  }

  /** undefined where there was none. */
  spread(): Spread | undefined {
    const found = this.sketch.distribution();
    return (
      found && {
        ...{ total: found.count, min: found.min, mean: found.mean, max: found.max },
        quantiles: [found.p5, found.p25, found.p50, found.p75, found.p95],
        histogram: histogramOf(LOGP_EDGES, this.counts),
      }
    );
  }
}

/** Ascending edges of bins of equal width that hold all from `low` to `high`. */
function equalEdges(low: number, high: number, whole: boolean): Float64Array {
  if (whole) {
    const width = Math.ceil((high - low + 1) / BINS);
    const bins = Math.ceil((high - low + 1) / width);
    return Float64Array.from({ length: bins + 1 }, (_, i) => low + i * width);
  }
  // Room of one part in 2^40 of the values' size keeps the edges apart where all values are the same.
  const width = Math.max((high - low) / BINS, 2 ** -40 * Math.max(Math.abs(low), Math.abs(high), 1));
  return Float64Array.from({ length: BINS + 1 }, (_, i) => low + i * width);
}

/** The last bin whose lower edge is at most the value; what lies beyond goes into the first and the last one. */
function binOf(edges: Float64Array, value: number): number {
  let bin = 0;
  for (let high = edges.length - 2; bin < high;) {
    const middle = (bin + high + 1) >> 1;
    if (edges[middle]! <= value) bin = middle;
    else high = middle - 1;
  }
  return bin;
}

function histogramOf(edges: Float64Array, counts: Float64Array): Histogram {
  return { edges: Array.from(edges), counts: Array.from(counts) };
}
