/** What a reader must know of a plot against a key. */
import { MAX_DOTS } from '../bounds.js';
import type { KeyFigure, KeyLine } from '../figures/key-figure.js';
import { incomparableKeys } from '../figures/metrics.js';
import { cutText, shownMean, shownNumber, counted } from '../shown-text.js';
import type { SeedSummary } from '../statistics/seed-summary.js';
import { keyTickText, plotLabel } from './axis-names.js';
import { shownValue, type SweptValue } from '../figures/swept-values.js';

/** Whether single runs have dots: there are some to a mean, and not too many. */
export function hasDots({ lines }: KeyFigure): boolean {
  const cells = lines.flatMap((line) => line.cells);
  const singles = cells.reduce((sum, cell) => sum + cell.singles.length, 0);
  return singles > cells.length && singles <= MAX_DOTS;
}

/** Sentences below the plot. */
export function keyNotes(figure: KeyFigure): string[] {
  const { key, metric, others, varying, averaged, context, values, hidden, notFinite, lines } = figure;
  const notes: string[] = [];
  if (averaged !== undefined) {
    const names = cutText(others.join(', '), 80);
    const mean =
      averaged.settings === 0
        ? 'No setting has every value, so there is no mean.'
        : `Bold: mean over ${averaged.settings} of ${counted(averaged.of, 'setting')} of ${names}.`;
    notes.push(`${mean} Grey: ${context.length === averaged.of ? 'each' : String(context.length)} of them.`);
  }
  if (lines.some(({ cells }) => cells.some(({ summary }) => summary.half !== undefined))) {
    const dots = hasDots(figure)
      ? averaged === undefined
        ? ' Dots: single runs.'
        : ' Dots: single seeds.'
      : '';
    notes.push(`Bars: 95% t-interval of the mean over seeds.${dots}`);
  }
  if (hidden > 0)
    notes.push(`${values.length} of ${values.length + hidden} values of ${plotLabel(key)} are shown.`);
  if (notFinite > 0) notes.push(`Left out: ${counted(notFinite, 'run')} with a value that is not finite.`);
  const beware = incomparableKeys(metric, varying);
  if (beware.length > 0) {
    notes.push(
      `Not of one scale: what ${plotLabel(metric)} measures depends on ${cutText(beware.join(', '), 120)}.`,
    );
  }
  return notes;
}

/** The text of a point. */
export function pointHint(
  { key }: KeyFigure,
  { label }: KeyLine,
  value: SweptValue,
  summary: SeedSummary,
): string {
  const shown = typeof value === 'number' ? keyTickText(key, value) : shownValue(value);
  const at = `${plotLabel(key)} ${cutText(shown, 60)}`;
  return [...(label === '' ? [] : [cutText(label, 80)]), at, summaryHint(summary)].join('\n');
}

/** A summary in words. */
export function summaryHint({ mean, half, count, smallest, largest, standardError }: SeedSummary): string {
  const seeds = counted(count, 'seed');
  if (half === undefined || standardError === undefined) return `${shownNumber(mean)} (${seeds})`;
  const range = `${shownNumber(smallest)} to ${shownNumber(largest)}`;
  return `${shownMean(mean, half)} (95% t-interval, ${seeds})\nstandard error ${shownNumber(standardError)}, seeds ${range}`;
}
