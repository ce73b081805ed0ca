/** Quantiles and counts behind the selection rules, with ranks computed in float64. */

/** Ranks closer than this to a whole number are that number: (1 − 0.7)·10 must be 3, not 3.0000000000000004. */
const RANK_TOLERANCE = 1e-9;

function rankOf(n: number, keep: number): number {
  const rank = (1 - keep) * (n - 1);
  const whole = Math.round(rank);
  return Math.abs(rank - whole) < RANK_TOLERANCE ? whole : rank;
}

/**
 * The (1 − keep) quantile of the scores with linear interpolation (numpy's and torch's default method).
 * torch.quantile in float32 rounds the rank and loses one token for some n (46, 101); this does not.
 * @param keep share of tokens to keep, in (0, 1].
 */
export function selectionThreshold(scores: Float64Array, keep: number): number {
  if (scores.length === 0) return Infinity;
  const sorted = Float64Array.from(scores).sort();
  const rank = rankOf(scores.length, keep);
  const low = Math.floor(rank);
  const below = sorted[low]!;
  const above = sorted[Math.min(low + 1, sorted.length - 1)]!;
  return rank === low ? below : below + (rank - low) * (above - below);
}

/** How many of n tokens the quantile rule keeps when no scores tie: n − ceil((1 − keep)·(n − 1)). */
export function quantileCount(n: number, keep: number): number {
  return n === 0 ? 0 : n - Math.ceil(rankOf(n, keep));
}

/** round-half-up(keep · n), at least 1 where there is a token. */
export function topKCount(n: number, keep: number): number {
  return n === 0 ? 0 : Math.min(n, Math.max(1, Math.floor(keep * n + 0.5 + RANK_TOLERANCE)));
}
