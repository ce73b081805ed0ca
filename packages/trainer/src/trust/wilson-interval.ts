/** Wilson's score interval of a share (Wilson 1927), sound for small counts, too. */

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
