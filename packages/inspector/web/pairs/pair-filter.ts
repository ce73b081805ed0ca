/** Which pairs the list shows, and in which order. */
import { DUPLICATE_KINDS, type PairTable } from '../data/pair-table.js';

export const SORT_KEYS = [
  'index',
  'prompt',
  'chosen',
  'rejected',
  'total',
  'margin',
  'token-margin',
  'policy',
] as const;
export type SortKey = (typeof SORT_KEYS)[number];
export const VERDICTS = ['any', 'right', 'wrong', 'tie'] as const;
export const DUPLICATE_FILTERS = ['any', 'none', 'some', ...DUPLICATE_KINDS.slice(1)] as const;

/** An interval; ends that are undefined are open. */
export interface Interval {
  from?: number | undefined;
  to?: number | undefined;
}

export interface PairFilter {
  sort: SortKey;
  descending: boolean;
  /** Prompt, chosen and rejected together, in tokens. */
  total: Interval;
  /** Of the reference, and of the policy, in nats. */
  margin: Interval;
  policy: Interval;
  /** Whether the reference prefers chosen. */
  verdict: (typeof VERDICTS)[number];
  duplicates: (typeof DUPLICATE_FILTERS)[number];
}

/** Everything, in the order of the cache. */
export const NO_FILTER: PairFilter = {
  ...{ sort: 'index', descending: false, verdict: 'any', duplicates: 'any' },
  ...{ total: {}, margin: {}, policy: {} },
};

/** Beside the table: one value a row, NaN where the policy did not see the pair. */
export interface ListedPairs {
  table: PairTable;
  /** [rows] margins of the policy, in nats. */
  policyMargin?: Float64Array | undefined;
  /** Places in the cache that a search found, ascending. */
  found?: ReadonlySet<number> | undefined;
}

/** Reference margin of a row: summed log-prob of chosen − rejected, in nats. */
export function marginOf(table: PairTable, row: number): number {
  return table.refChosen[row]! - table.refRejected[row]!;
}

/** As {@link marginOf} of the mean log-probs of a token. */
export function tokenMarginOf(table: PairTable, row: number): number {
  return (
    table.refChosen[row]! / table.chosenTokens[row]! - table.refRejected[row]! / table.rejectedTokens[row]!
  );
}

/** Tokens of a row in all. */
export function totalOf(table: PairTable, row: number): number {
  return table.promptTokens[row]! + table.chosenTokens[row]! + table.rejectedTokens[row]!;
}

/** Rows of the table that pass, in order. Rows without a value stand last. */
export function selectRows(pairs: ListedPairs, filter: PairFilter): Uint32Array {
  const rows: number[] = [];
  for (let row = 0; row < pairs.table.rows; row++) if (passes(pairs, row, filter)) rows.push(row);
  const order = Uint32Array.from(rows);
  if (filter.sort === 'index' && !filter.descending) return order;
  const values = Float64Array.from({ length: pairs.table.rows }, (_, row) =>
    sortValue(pairs, row, filter.sort),
  );
  const sign = filter.descending ? -1 : 1;
  return order.sort((a, b) => {
    const [left, right] = [values[a]!, values[b]!];
    if (Number.isNaN(left) || Number.isNaN(right))
      return Number(Number.isNaN(left)) - Number(Number.isNaN(right)) || a - b;
    return sign * (left - right) || a - b;
  });
}

function passes({ table, policyMargin, found }: ListedPairs, row: number, filter: PairFilter): boolean {
  const margin = marginOf(table, row);
  if (found !== undefined && !found.has(table.pairIndex[row]!)) return false;
  if (!inside(totalOf(table, row), filter.total) || !inside(margin, filter.margin)) return false;
  if (policyMargin !== undefined && !inside(policyMargin[row]!, filter.policy)) return false;
  if (filter.verdict !== 'any' && filter.verdict !== verdictOf(margin)) return false;
  const kind = DUPLICATE_KINDS[table.duplicateKind[row]!]!;
  const { duplicates } = filter;
  return duplicates === 'any' || (duplicates === 'some' ? kind !== 'none' : kind === duplicates);
}

/** What a margin says of the reference. */
export function verdictOf(margin: number): 'right' | 'wrong' | 'tie' {
  return margin > 0 ? 'right' : margin < 0 ? 'wrong' : 'tie';
}

/** Without a value only an open interval holds it. */
function inside(value: number, { from, to }: Interval): boolean {
  return !(from !== undefined && !(value >= from)) && !(to !== undefined && !(value <= to));
}

function sortValue({ table, policyMargin }: ListedPairs, row: number, key: SortKey): number {
  switch (key) {
    case 'index':
      return row;
    case 'prompt':
      return table.promptTokens[row]!;
    case 'chosen':
      return table.chosenTokens[row]!;
    case 'rejected':
      return table.rejectedTokens[row]!;
    case 'total':
      return totalOf(table, row);
    case 'margin':
      return marginOf(table, row);
    case 'token-margin':
      return tokenMarginOf(table, row);
    case 'policy':
      return policyMargin?.[row] ?? NaN;
  }
}
