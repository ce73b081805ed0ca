/** The table of counts. */
import { renderTable } from 'selective-dpo';
import type { TallyRow } from './tally.js';

const HEADER = [
  ...['scenario: kind', 'count', 'old', 'new', 'refused', 'right'],
  ...['mixed', 'wrong', 'slow', 'resumed identical'],
] as const;

/** Lines of the table, and behind it what was found where a zero is not one, and what was skipped. */
export function describeTally(rows: readonly TallyRow[]): string[] {
  return [
    ...renderTable([[...HEADER], ...rows.map(cells)], 0),
    ...rows.flatMap(({ scenario, kind, skipped, findings }) => [
      ...(skipped === undefined ? [] : [`skipped: ${scenario}, ${kind}: ${skipped}`]),
      ...findings.map((finding) => `FOUND: ${scenario}, ${kind}: ${finding}`),
    ]),
  ];
}

function cells(row: TallyRow): [string, ...string[]] {
  const label = `${row.scenario}: ${row.kind}`;
  if (row.skipped !== undefined) return [label, 'skipped'];
  const { old, refused, right, mixed, wrong, slow, resumed, differing } = row;
  const counts = [row.count, old, row.new, refused, right, mixed, wrong, slow].map(String);
  return [label, ...counts, resumed + differing === 0 ? '-' : `${resumed} of ${resumed + differing}`];
}
