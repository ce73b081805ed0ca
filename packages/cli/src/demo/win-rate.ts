/** Two models' answers to the same prompts, compared by their scores. */

/** How often the second of two answers was better. */
export interface WinRate {
  wins: number;
  ties: number;
  losses: number;
  /** Wins and half of the ties, as a share of all: 0.5 says that neither is better. */
  winRate: number;
}

/**
 * Compares scores pair by pair.
 * @param before scores [N], @param after scores [N] of the answers to the same prompts.
 * @throws RangeError if there is nothing to compare or the lengths differ.
 */
export function winRate(before: readonly number[], after: readonly number[]): WinRate {
  if (before.length !== after.length || before.length === 0) {
    throw new RangeError(`cannot compare ${before.length} scores with ${after.length}`);
  }
  const wins = after.filter((score, i) => score > before[i]!).length;
  const losses = after.filter((score, i) => score < before[i]!).length;
  const ties = after.length - wins - losses;
  return { wins, ties, losses, winRate: (wins + ties / 2) / after.length };
}
