/** The list of all pairs. */
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import type { PairTable } from '../data/pair-table.js';
import { TEXT_BLOCK, type PairText } from '../data/pair-texts.js';
import { asProblem, type SiteProblem } from '../files/site-problem.js';
import type { OpenedSite } from '../opened-site.js';
import { filterOf, filterQuery } from '../pairs/filter-address.js';
import { placeIn } from '../pairs/list-places.js';
import { selectRows, type ListedPairs, type PairFilter } from '../pairs/pair-filter.js';
import { usePairSearch, type SearchState } from '../pairs/pair-search.js';
import { policyMargins } from '../pairs/policy-margins.js';
import { VirtualList } from '../pairs/virtual-list.js';
import { shownCount } from '../parts/facts.js';
import { Show, useLoaded } from '../parts/loaded.js';
import { Problem } from '../parts/problem.js';
import { goTo, hashOf, type Route } from '../route.js';
import { FilterBar } from './pair-filters.js';
import { PairRow, PairRowHeads } from './pair-row.js';

/** Pixels of a row, as in the style sheet. */
const ROW_HEIGHT = 56;
/** Blocks of texts that are held: 32 of 1,024 rows. */
const MAX_BLOCKS = 32;

export function PairsView({ site, route }: { site: OpenedSite; route: Route }) {
  const table = useLoaded(() => site.pairTable(), [site]);
  return <Show of={table}>{(pairs) => <PairList site={site} route={route} table={pairs} />}</Show>;
}

function PairList({ site, route, table }: { site: OpenedSite; route: Route; table: PairTable }) {
  const filter = useMemo(() => filterOf(route.query), [route.query.toString()]);
  const query = route.query.get('text') ?? '';
  const policies = site.description.run?.policies ?? [];
  const policy = policies.find(({ name }) => name === route.query.get('checkpoint')) ?? policies.at(-1);
  const margins = useLoaded(
    async () => policy && policyMargins(table, await site.policy(policy.file)),
    [site, table, policy],
  );
  const search = usePairSearch(site.pairs, query);
  const policyMargin = margins.state === 'ready' ? margins.value : undefined;
  const found = useMemo(() => search.state && new Set(search.state.hits.keys()), [search.state?.hits]);
  const pairs: ListedPairs = useMemo(() => ({ table, policyMargin, found }), [table, policyMargin, found]);
  const rows = useMemo(() => selectRows(pairs, filter), [pairs, filter]);
  const { texts, see, problem } = useTexts(site, rows);

  const change = (next: PairFilter, text = query, checkpoint = policy?.name) =>
    goTo(
      hashOf('pairs', '', {
        ...filterQuery(next),
        text,
        checkpoint: policies.length > 1 ? checkpoint : undefined,
      }),
      true,
    );
  const address = hashOf('pairs', '', { ...filterQuery(filter), text: query });
  const place = useMemo(() => placeIn(address), [address]);
  const pairAt = (index: number) => table.pairIndex[rows[index]!]!;
  return (
    <>
      <FilterBar
        {...{ filter, query, policies, hasTexts: site.cache.vocabulary !== undefined }}
        policy={policy?.name}
        onChange={(next) => change(next)}
        onSearch={(text) => change(filter, text)}
        onReset={() => goTo(hashOf('pairs'), true)}
        onPolicy={(name) => change(filter, query, name)}
      />
      {margins.state === 'problem' && <Problem problem={margins.problem} />}
      {problem && <Problem problem={problem} />}
      <SearchLine search={search.state} stop={search.stop} />
      <p class="count" aria-live="polite">
        {shownCount(rows.length)} of {shownCount(table.rows)} pairs
        {table.rows < site.cache.rows && ` (a sample of ${shownCount(site.cache.rows)})`}
      </p>
      <PairRowHeads hasPolicy={policyMargin !== undefined} />
      <VirtualList
        label="Pairs"
        count={rows.length}
        rowHeight={ROW_HEIGHT}
        place={place}
        onSight={see}
        onOpen={(index) => {
          place.active = index;
          goTo(hashOf('pair', pairAt(index), { checkpoint: policy?.name }));
        }}
        renderRow={(index) => {
          const row = rows[index]!;
          const hit = search.state?.hits.get(table.pairIndex[row]!);
          return <PairRow {...{ table, row, policyMargin, hit }} text={texts.get(row)} />;
        }}
      />
    </>
  );
}

function SearchLine({ search, stop }: { search: SearchState | undefined; stop: () => void }) {
  if (search === undefined) return null;
  if (search.problem !== undefined) return <Problem problem={search.problem} />;
  const { done, of, hits, running, full } = search;
  const end = full
    ? 'There may be more: the search ended here.'
    : done < of
      ? 'Stopped.'
      : 'All pairs were read.';
  return (
    <div class="search-line" role="status">
      <progress max={Math.max(1, of)} value={done} aria-label="Pairs searched" />
      <span>
        {shownCount(hits.size)} found in {shownCount(done)} of {of === 0 ? '…' : shownCount(of)} pairs.{' '}
        {running ? '' : end}
      </span>
      {running && (
        <button type="button" onClick={stop}>
          Stop
        </button>
      )}
    </div>
  );
}

/** Texts of the rows in sight, by row of the table. */
function useTexts(site: OpenedSite, rows: Uint32Array) {
  const [blocks, setBlocks] = useState<ReadonlyMap<number, readonly PairText[]>>(new Map());
  const [problem, setProblem] = useState<SiteProblem>();
  const asked = useMemo(() => new Set<number>(), [site]);
  const see = useCallback(
    (first: number, end: number) => {
      for (let index = first; index < Math.min(end, rows.length); index++) {
        const block = Math.floor(rows[index]! / TEXT_BLOCK);
        if (asked.has(block)) continue;
        asked.add(block);
        site.pairs.pairTexts(block).then(
          (texts) => setBlocks((held) => withBlock(held, block, texts, asked)),
          (error: unknown) => setProblem(asProblem(error)),
        );
      }
    },
    [rows, site],
  );
  useEffect(() => see(0, 20), [see]);
  const texts = { get: (row: number) => blocks.get(Math.floor(row / TEXT_BLOCK))?.[row % TEXT_BLOCK] };
  return { texts, see, problem };
}

function withBlock(
  held: ReadonlyMap<number, readonly PairText[]>,
  block: number,
  texts: readonly PairText[],
  asked: Set<number>,
): ReadonlyMap<number, readonly PairText[]> {
  const next = new Map(held).set(block, texts);
  for (const oldest of next.keys()) {
    if (next.size <= MAX_BLOCKS) break;
    next.delete(oldest);
    asked.delete(oldest);
  }
  return next;
}
