/** Search for a text in prompts and answers, shard by shard through the vocabulary. Memory: one row group of one shard. */
import type { CacheDescription } from '../../src/site-contract.js';
import { ParquetFile, type ParquetRow } from '../files/parquet-file.js';
import type { SiteFiles } from '../files/site-files.js';
import { shownLine, type TokenTexts } from './token-text.js';

export type SearchedPart = 'prompt' | 'chosen' | 'rejected';
export const SEARCHED_PARTS: readonly SearchedPart[] = ['prompt', 'chosen', 'rejected'];

export interface SearchHit {
  pair: number;
  part: SearchedPart;
  /** The text around the first place. */
  around: string;
}

export interface SearchProgress {
  /** Pairs read. */
  done: number;
  of: number;
  /** Hits since the last report, ascending by pair. */
  hits: readonly SearchHit[];
  /** Whether the search ended early, at {@link MAX_HITS}. */
  full: boolean;
}

/** Pairs that are found at most. */
export const MAX_HITS = 10_000;
/** Pairs read at once. */
const BLOCK = 256;
/** Characters of a hit's text on each side. */
const AROUND = 40;
/** Characters of a query. */
export const MAX_QUERY = 200;

/** Looks for a text without regard to case; one hit a pair, the first part that has it. */
export async function* searchPairs(
  files: SiteFiles,
  cache: CacheDescription,
  texts: TokenTexts,
  query: string,
): AsyncGenerator<SearchProgress, void, undefined> {
  const wanted = query.slice(0, MAX_QUERY).toLowerCase();
  const of = cache.shards.reduce((sum, { rows }) => sum + rows, 0);
  let [found, done] = [0, 0];
  for (const shard of cache.shards) {
    const file = await ParquetFile.open(files, shard.file);
    for (let from = 0; from < file.rows; from += BLOCK) {
      const rows = await file.readRows(
        ['prompt_ids', 'chosen_ids', 'rejected_ids'],
        from,
        Math.min(file.rows, from + BLOCK),
      );
      const hits: SearchHit[] = [];
      rows.forEach((row, i) => {
        if (found >= MAX_HITS) return;
        const hit = hitIn(row, shard.firstRow + from + i, texts, wanted);
        if (hit === undefined) return;
        hits.push(hit);
        found++;
      });
      const full = found >= MAX_HITS;
      done += rows.length;
      yield { done, of, hits, full };
      if (full) return;
    }
  }
}

function hitIn(row: ParquetRow, pair: number, texts: TokenTexts, wanted: string): SearchHit | undefined {
  for (const part of SEARCHED_PARTS) {
    const text = texts.join(row[`${part}_ids`] as Iterable<number>);
    const at = text.toLowerCase().indexOf(wanted);
    if (at >= 0) return { pair, part, around: snippet(text, at, wanted.length) };
  }
  return undefined;
}

function snippet(text: string, at: number, length: number): string {
  const from = Math.max(0, at - AROUND);
  const to = at + length + AROUND;
  return `${from > 0 ? '…' : ''}${shownLine(text.slice(from, to), 4 * AROUND + MAX_QUERY)}${to < text.length ? '…' : ''}`;
}
