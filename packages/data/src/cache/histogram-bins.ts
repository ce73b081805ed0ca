/** Bins of equal width. For the browser, too. */

export interface Bins {
  begin: number;
  width: number;
  count: number;
}

/** Of values of pairs, at most. */
const MAX_BINS = 40;
/** Bins go from this quantile to the opposite one, so that a few outliers do not make all others one bin. */
export const OUTER_SHARE = 0.005;

/** Of log-probs, whatever they are: from −20 to 0 nats in steps of a quarter. */
export const LOGP_BINS: Bins = { begin: -20, width: 0.25, count: 80 };

/** Bins that hold all from `low` to `high`, whole numbers wide for whole numbers. */
export function binsBetween(low: number, high: number, whole: boolean): Bins {
  if (!whole) {
    // Room of one part in 2^40 of the values' size keeps the edges apart where all values are the same.
    const least = 2 ** -40 * Math.max(Math.abs(low), Math.abs(high), 1);
    return { begin: low, width: Math.max((high - low) / MAX_BINS, least), count: MAX_BINS };
  }
  const width = Math.ceil((high - low + 1) / MAX_BINS);
  return { begin: low, width, count: Math.ceil((high - low + 1) / width) };
}

/** The edges, [count + 1]: begin + i · width. */
export function edgesOf({ begin, width, count }: Bins): number[] {
  return Array.from({ length: count + 1 }, (_, i) => begin + i * width);
}

/** The bin of a value: the last one whose lower edge is at most the value; what lies beyond goes into the first and the last one. */
export function binOf(value: number, { begin, width, count }: Bins): number {
  let bin = Math.floor((value - begin) / width);
  // The quotient may be rounded over an edge: the edges themselves decide.
  if (value < begin + bin * width) bin--;
  else if (value >= begin + (bin + 1) * width) bin++;
  return Math.max(0, Math.min(count - 1, bin));
}
