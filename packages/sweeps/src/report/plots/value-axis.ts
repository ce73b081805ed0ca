/** The axis of the figure itself. */
import type { KeyFigure } from '../figures/key-figure.js';
import type { SeedSummary } from '../statistics/seed-summary.js';
import { interval, type Place } from '../svg/marks.js';
import { paddedDomain } from '../svg/ticks.js';
import type { Markup } from '../markup.js';
import type { Look } from '../svg/look.js';

/**
 * The domain of a figure's values: every single value, and intervals as far as they do not make the values themselves unreadable
 * (two seeds may have an interval twelve times their range).
 * @param summaries finite, with `others` at least one.
 */
export function valueDomain(
  summaries: readonly SeedSummary[],
  others: readonly number[] = [],
): [low: number, high: number] {
  const values = [...summaries.flatMap(({ smallest, largest }) => [smallest, largest]), ...others];
  const [low, high] = paddedDomain(values);
  const reach = high / 2 - low / 2;
  const ends = summaries.flatMap(({ mean, half = 0 }) => [
    Math.max(mean - half, low - reach),
    Math.min(mean + half, high + reach),
  ]);
  return paddedDomain([...values, ...ends].filter(Number.isFinite));
}

/** As {@link valueDomain}, of all that is drawn of a figure against a key. */
export function figureDomain({ lines, context }: KeyFigure): [low: number, high: number] {
  return valueDomain(
    lines.flatMap(({ cells }) => cells.map(({ summary }) => summary)),
    context.flatMap(({ cells }) => cells.map(({ summary }) => summary.mean)),
  );
}

/** The interval of a mean, cut off at the ends of the domain. @param place of a value in the drawing. */
export function seedInterval(
  { mean, half }: SeedSummary,
  [low, high]: readonly [number, number],
  look: Look,
  place: (value: number) => Place,
): Markup[] {
  if (half === undefined || half === 0) return [];
  const cut = [mean - half < low, mean + half > high] as const;
  return [interval(place(mean - half), place(mean + half), look, cut)];
}
