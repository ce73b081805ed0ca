/** The filter of the list of pairs as part of its address, so that a list can be shared as a link. */
import {
  DUPLICATE_FILTERS,
  NO_FILTER,
  SORT_KEYS,
  VERDICTS,
  type Interval,
  type PairFilter,
} from './pair-filter.js';

/** Reads a filter; what is not understood is left at its default. */
export function filterOf(query: URLSearchParams): PairFilter {
  const one = <T extends string>(name: string, values: readonly T[], otherwise: T): T =>
    values.find((value) => value === query.get(name)) ?? otherwise;
  return {
    sort: one('sort', SORT_KEYS, NO_FILTER.sort),
    descending: query.get('order') === 'down',
    verdict: one('reference', VERDICTS, NO_FILTER.verdict),
    duplicates: one('duplicates', DUPLICATE_FILTERS, NO_FILTER.duplicates),
    total: intervalOf(query.get('tokens')),
    margin: intervalOf(query.get('margin')),
    policy: intervalOf(query.get('policy')),
  };
}

/** The inverse of {@link filterOf}; defaults are left out. */
export function filterQuery(filter: PairFilter): Record<string, string | undefined> {
  return {
    sort: filter.sort === NO_FILTER.sort ? undefined : filter.sort,
    order: filter.descending ? 'down' : undefined,
    reference: filter.verdict === NO_FILTER.verdict ? undefined : filter.verdict,
    duplicates: filter.duplicates === NO_FILTER.duplicates ? undefined : filter.duplicates,
    tokens: intervalText(filter.total),
    margin: intervalText(filter.margin),
    policy: intervalText(filter.policy),
  };
}

/** `10..200`, `..200`, `10..`. */
function intervalOf(text: string | null): Interval {
  const [from, to] = (text ?? '').split('..', 2).map((end) => (end.trim() === '' ? undefined : Number(end)));
  return { from: Number.isFinite(from) ? from : undefined, to: Number.isFinite(to) ? to : undefined };
}

function intervalText({ from, to }: Interval): string | undefined {
  return from === undefined && to === undefined ? undefined : `${from ?? ''}..${to ?? ''}`;
}
