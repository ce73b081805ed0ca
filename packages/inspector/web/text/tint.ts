/** Which tint a token has. */

/** What the tints show. */
export const TINTS = ['none', 'reference', 'policy', 'score'] as const;
export type Tint = (typeof TINTS)[number];

/** Negated log-probs in nats at which the next stronger tint begins: what is likely has none. */
export const SURPRISE_STEPS = [0.1, 0.5, 1, 2, 3.5, 5, 8] as const;
/** Steps on each side of 0 for scores. */
export const SCORE_STEPS = 5;

/** `l0` (likely) to `l7` (unlikely) of a log-prob in nats. */
export function surpriseClass(logp: number): string {
  const step = SURPRISE_STEPS.findIndex((begin) => !(-logp >= begin));
  return `l${step < 0 ? SURPRISE_STEPS.length : step}`;
}

/**
 * `u1` … `u5` for scores above 0, `d1` … `d5` below, `l0` about 0.
 * @param scale the score that has the strongest tint, see {@link scoreScale}.
 */
export function scoreClass(score: number, scale: number): string {
  if (!Number.isFinite(score) || scale <= 0) return 'l0';
  const step = Math.min(SCORE_STEPS, Math.round((Math.abs(score) / scale) * SCORE_STEPS));
  return step === 0 ? 'l0' : `${score > 0 ? 'u' : 'd'}${step}`;
}

/** The 95% quantile of the sizes of scores: a few extremes must not leave all others without a tint. */
export function scoreScale(...lists: readonly Float64Array[]): number {
  const sizes = Float64Array.from(lists.flatMap((list) => Array.from(list, Math.abs))).sort();
  return sizes.length === 0 ? 0 : sizes[Math.floor(0.95 * (sizes.length - 1))]!;
}
