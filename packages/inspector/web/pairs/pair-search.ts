/** A search that is under way, as the list of pairs sees it. */
import { useEffect, useState } from 'preact/hooks';
import type { SiteData } from '../data/site-data.js';
import { asProblem, type SiteProblem } from '../files/site-problem.js';
import type { SearchHit } from '../text/search.js';

export interface SearchState {
  query: string;
  /** By place in the cache. */
  hits: ReadonlyMap<number, SearchHit>;
  done: number;
  of: number;
  running: boolean;
  full: boolean;
  problem?: SiteProblem;
}

/** Reports are gathered this long before the list changes. */
const GATHER_MS = 150;

/** Searches whenever the query changes; an empty one ends it. @returns undefined without a query; `stop` ends the search early. */
export function usePairSearch(
  data: SiteData,
  query: string,
): { state: SearchState | undefined; stop: () => void } {
  const [state, setState] = useState<SearchState>();
  const [control, setControl] = useState<AbortController>();
  useEffect(() => {
    if (query === '') {
      setState(undefined);
      return undefined;
    }
    const stop = new AbortController();
    setControl(stop);
    const hits = new Map<number, SearchHit>();
    let [now, shown]: [SearchState, number] = [
      { query, hits: new Map(), done: 0, of: 0, running: true, full: false },
      0,
    ];
    const show = (next: Partial<SearchState>, at: number) => {
      now = { ...now, ...next };
      if (stop.signal.aborted && stop.signal.reason === 'gone') return;
      if (now.running && at - shown < GATHER_MS) return;
      shown = at;
      setState({ ...now, hits: new Map(hits) });
    };
    setState(now);
    data
      .search(
        query,
        ({ done, of, full, hits: found }) => {
          for (const hit of found) hits.set(hit.pair, hit);
          show({ done, of, full }, performance.now());
        },
        stop.signal,
      )
      .then(
        () => show({ running: false }, Infinity),
        (error: unknown) => show({ running: false, problem: asProblem(error) }, Infinity),
      );
    return () => stop.abort('gone');
  }, [data, query]);
  return { state: query === '' ? undefined : state, stop: () => control?.abort('stopped') };
}
