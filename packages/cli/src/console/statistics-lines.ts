/** The figures of a cache as tables. */
import type { CacheFigures, Spread } from '@selective-dpo/data/figures';
import { QUANTILES } from '@selective-dpo/stats';
import { percent, renderTable, type TableRow } from '../demo/result-table.js';
import { withoutControls } from './console-writer.js';
import { formatRate, twoColumns } from './format.js';

/** Pairs named as the most wrong ones; --json has more. */
const SHOWN_WRONG = 5;

/** Lines for people. */
export function statisticsLines(statistics: CacheFigures): string[] {
  const { rows, dropped, reference, duplicates } = statistics;
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${withoutControls(reason)}`);
  const spreads: [string, Spread][] = [
    ['prompt, tokens', statistics.promptTokens],
    ['chosen, tokens', statistics.chosenTokens],
    ['rejected, tokens', statistics.rejectedTokens],
    ['chosen, nats a token', statistics.chosenLogps],
    ['rejected, nats a token', statistics.rejectedLogps],
    ['margin, nats', reference.margin],
    ['margin, nats a token', reference.marginPerToken],
  ];
  const header: TableRow = ['', 'mean', 'min', ...QUANTILES.map((share) => `${100 * share}%`), 'max'];
  return [
    ...twoColumns([
      ['pairs', String(rows)],
      ['dropped', reasons.length === 0 ? 'none' : reasons.join(', ')],
      [
        'reference prefers chosen',
        `${percent(reference.accuracy)} of pairs by the sum, ${percent(reference.accuracyPerToken)} by the mean a token`,
      ],
      ['ties', percent(reference.ties)],
      ['most wrong', mostWrong(statistics)],
      ['identical pairs', String(duplicates.identicalPairs)],
      ['identical prompts', String(duplicates.identicalPrompts)],
      ['swapped pairs', String(duplicates.swappedPairs)],
    ]),
    '',
    ...renderTable([header, ...spreads.map(([name, spread]) => spreadRow(name, spread))]),
    '',
    'log-probs of tokens: percentiles within 0.5% of themselves; pairs that are nearly alike are counted by sdpo inspect',
  ];
}

function spreadRow(name: string, { mean, min, quantiles, max }: Spread): TableRow {
  return [name, ...[mean, min, ...quantiles, max].map(formatRate)];
}

function mostWrong({ reference: { mostWrong: pairs } }: CacheFigures): string {
  if (pairs.length === 0) return 'none';
  return pairs
    .slice(0, SHOWN_WRONG)
    .map(({ pairIndex, margin }) => `pair ${pairIndex} (${margin.toFixed(1)} nats)`)
    .join(', ');
}
