/** What a judge's text says. */

/** Arena-Hard's labels. */
export const VERDICTS = ['A>>B', 'A>B', 'A=B', 'B>A', 'B>>A'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** The same with the other answer named first, which Arena-Hard reads as well. */
const MIRRORED: Readonly<Record<string, Verdict>> = {
  'B<<A': 'A>>B',
  'B<A': 'A>B',
  'B=A': 'A=B',
  'A<B': 'B>A',
  'A<<B': 'B>>A',
};

/** How often a game counts whose verdict is `>>`. */
export const STRONG_WEIGHT = 3;

/**
 * The verdict of a text: the last label in double brackets, else the last in single ones (Arena-Hard's patterns). undefined where
 * there is none; a text without a verdict is never a tie.
 */
export function verdictOf(text: string): Verdict | undefined {
  for (const pattern of [/\[\[([AB<>=]{3,4})\]\]/g, /\[([AB<>=]{3,4})\]/g]) {
    const labels = [...text.toUpperCase().matchAll(pattern)]
      .map(([, label]) => verdictNamed(label!))
      .filter((verdict) => verdict !== undefined);
    if (labels.length > 0) return labels.at(-1);
  }
  return undefined;
}

function verdictNamed(label: string): Verdict | undefined {
  return (
    VERDICTS.find((verdict) => verdict === label) ??
    (Object.hasOwn(MIRRORED, label) ? MIRRORED[label] : undefined)
  );
}

/** Points of the answer named A, of `weight`: `A>>B` is 3 of 3, `A=B` half of 1. */
export function pointsOfA(verdict: Verdict): { points: number; weight: number } {
  switch (verdict) {
    case 'A>>B':
      return { points: STRONG_WEIGHT, weight: STRONG_WEIGHT };
    case 'A>B':
      return { points: 1, weight: 1 };
    case 'A=B':
      return { points: 0.5, weight: 1 };
    case 'B>A':
      return { points: 0, weight: 1 };
    case 'B>>A':
      return { points: 0, weight: STRONG_WEIGHT };
  }
}

/**
 * The rating of a text: the first number in double brackets, else the first in single ones (FastChat's patterns). undefined where
 * there is none, or none from 1 to 10.
 */
export function ratingOf(text: string): number | undefined {
  const found = /\[\[(\d{1,3}(?:\.\d{0,6})?)\]\]/.exec(text) ?? /\[(\d{1,3}(?:\.\d{0,6})?)\]/.exec(text);
  const rating = Number(found?.[1] ?? NaN);
  return rating >= 1 && rating <= 10 ? rating : undefined;
}
