/**
 * What {@link CacheFigures} are here. Equality of ids is found by DuckDB's 64-bit hashes: among a million pairs a false one has a chance below
 * 1e-7. What SQL has no good way to is left out and named in {@link NOT_COMPUTED}.
 */

/** Figures of `Overview` that are not here. */
export const NOT_COMPUTED = ['duplicates.nearIdenticalPairs'] as const;

/** The shares of a spread's quantiles. */
export const QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95] as const;
