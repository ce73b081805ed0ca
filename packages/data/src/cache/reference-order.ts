/**
 * Does a reference order the pairs of its cache? Wilson's score interval of a share (Wilson 1927), sound for small counts, too. For the
 * browser as well.
 */

/** A reference that orders a smaller share of the pairs than this is no good judge of which tokens matter. */
export const LEAST_ORDERED = 0.55;

/** Two-sided 95% of a normal distribution. */
const Z = 1.959963984540054;

/**
 * The shares that `hits` of `trials` do not speak against at the 5% level.
 * @param trials at least 1. @param hits from 0 to trials.
 * @returns in [0, 1].
 */
export function wilsonInterval(hits: number, trials: number): { low: number; high: number } {
  const share = hits / trials;
  const square = (Z * Z) / trials;
  const middle = (share + square / 2) / (1 + square);
  const half = (Z / (1 + square)) * Math.sqrt((share * (1 - share)) / trials + square / (4 * trials));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

/**
 * Whether a reference orders too few of the pairs, and that is not chance: the upper end of the interval lies below
 * {@link LEAST_ORDERED}. @param ordered of `pairs`: those whose chosen answer has the higher summed log-prob.
 */
export function isWeakReference(ordered: number, pairs: number): boolean {
  return wilsonInterval(ordered, pairs).high < LEAST_ORDERED;
}
