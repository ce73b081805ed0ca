/** Bins of equal width, for SQL. */

export interface Bins {
  begin: number;
  width: number;
  count: number;
}

/** Bins of a {@link Spread}'s histogram, at most. */
const MAX_BINS = 20;

/** Of one log-prob a token, known before the values are: half a nat each, from −20 to 0; what is below counts as the first. */
export const LOGP_BINS: Bins = { begin: -20, width: 0.5, count: 40 };

/**
 * Bins between the smallest and the largest value: 20 of equal width, whole numbers wide for whole numbers; one where all values are
 * equal.
 */
export function binsBetween(min: number, max: number, whole: boolean): Bins {
  if (max === min) return { begin: min, width: 1, count: 1 };
  if (!whole) return { begin: min, width: (max - min) / MAX_BINS, count: MAX_BINS };
  const width = Math.ceil((max - min + 1) / MAX_BINS);
  return { begin: min, width, count: Math.ceil((max - min + 1) / width) };
}

/** The edges, [count + 1]: begin + i · width. */
export function edgesOf({ begin, width, count }: Bins): number[] {
  return Array.from({ length: count + 1 }, (_, i) => begin + i * width);
}

/** SQL for the bin of a DOUBLE: what lies beyond is in the first or last one. */
export function binOf(value: string, bins: Bins): string {
  const [begin, width, last] = [`${bins.begin}::DOUBLE`, `${bins.width}::DOUBLE`, bins.count - 1];
  const near = `floor((${value} - ${begin}) / ${width})`;
  // The quotient may be rounded over an edge: the edges themselves decide.
  const exact =
    `CASE WHEN ${value} < ${begin} + ${near} * ${width} THEN ${near} - 1 ` +
    `WHEN ${value} >= ${begin} + (${near} + 1) * ${width} THEN ${near} + 1 ELSE ${near} END`;
  return `least(greatest(${exact}, 0), ${last})::INTEGER`;
}
