/**
 * What a page of the inspector reads. A site is a folder of plain files that any static host can serve, ranges of bytes included:
 *
 * - `index.html` and `assets/`: the page, the same for every site;
 * - `data/site.json`: {@link SiteDescription}, which names everything else;
 * - `data/overview.json`: {@link Overview};
 * - `data/pairs.parquet`: one row a pair, columns {@link PairColumns};
 * - `data/vocabulary.json`: {@link Vocabulary}, where a tokenizer is known;
 * - `data/cache/manifest.json`, `data/cache/shards/…parquet`, `data/cache/dropped.jsonl`: the cache itself;
 * - `data/policies/….parquet`: log-probs of a policy, columns {@link PolicyColumns};
 * - `data/run/`, `data/sweep/`: `metrics.jsonl` of one run, and of each run of a sweep.
 *
 * Nothing here imports Node or the browser: both sides share these types.
 */

import type {
  CacheFigures,
  DuplicateFigures,
  Histogram,
  ReferenceFigures,
  Spread,
} from '@selective-dpo/data/figures';

export const SITE_VERSION = 1;

export interface SiteDescription {
  version: typeof SITE_VERSION;
  kind: 'cache' | 'run' | 'sweep';
  /** Name of the folder that is looked at. */
  title: string;
  /** Of a cache, and of a run whose cache is known. */
  cache?: CacheDescription;
  run?: RunDescription;
  sweep?: SweepDescription;
}

export interface CacheDescription {
  /** Pairs of the cache; `pairs.parquet` and `overview.json` may hold a sample of them (`--html`). */
  rows: number;
  /** First pair of each shard, and where its Parquet file lies, relative to the page. */
  shards: readonly { firstRow: number; rows: number; file: string; bytes: number }[];
  /** Relative to the page; absent where no tokenizer was given. */
  vocabulary?: string;
  overview: string;
  pairs: string;
  manifest: string;
  dropped: string;
}

/** A checkpoint of a run whose log-probs were computed for a sample of the cache. */
export interface PolicyDescription {
  /** `step-40`, `final`, `initial`. */
  name: string;
  step: number;
  /** Columns {@link PolicyColumns}. */
  file: string;
  pairs: number;
}

export interface RunDescription {
  /** The configuration as resolved. */
  config: Record<string, unknown>;
  /** `metrics.jsonl`; it grows while the run trains. */
  metrics: string;
  finished: boolean;
  policies: readonly PolicyDescription[];
}

export interface SweepDescription {
  runs: readonly SweptRunDescription[];
  /** Training keys whose values differ between runs. */
  keys: readonly string[];
}

/**
 * `waiting` has not begun; `running` is trained by a process now; `stopped` has begun and nobody trains it; `failed` did so by the
 * sweep's table of results.
 */
export const SWEPT_RUN_STATES = ['waiting', 'running', 'stopped', 'failed', 'finished'] as const;
export type SweptRunState = (typeof SWEPT_RUN_STATES)[number];

export interface SweptRunDescription {
  name: string;
  state: SweptRunState;
  /** As resolved; of a run that waits only what is swept is known. */
  config: Record<string, unknown>;
  /** Empty until it has begun. */
  metrics: string;
}

/** Figures of a whole cache. */
export interface Overview extends CacheFigures {
  duplicates: RepeatFigures;
}

export interface RepeatFigures extends DuplicateFigures {
  /** Pairs that are nearly an earlier one: estimated Jaccard similarity of their 5-token shingles ≥ 0.8. */
  nearIdenticalPairs: number;
}

export type { Histogram, ReferenceFigures, Spread };

/** Columns of `pairs.parquet`, one row a pair, in the order of the cache. */
export interface PairColumns {
  /** 0-based place in the cache. */
  pair_index: number;
  pair_id: string;
  source_row: number;
  prompt_tokens: number;
  chosen_tokens: number;
  rejected_tokens: number;
  /** Sums in nats. */
  ref_chosen_logps: number;
  ref_rejected_logps: number;
  /** `pair_index` of the earlier pair it repeats, exactly or nearly; absent where there is none. */
  duplicate_of?: number;
  /** What it has in common with that pair. */
  duplicate_kind?: 'pair' | 'swapped' | 'prompt' | 'near';
  /** At most 160 characters of the end of the prompt; absent without a tokenizer. */
  opening?: string;
}

/** Columns of a policy's file, ascending by `pair_index`. */
export interface PolicyColumns {
  pair_index: number;
  /** [C] and [R], nats. */
  chosen_logps: readonly number[];
  rejected_logps: readonly number[];
}

/** Texts of tokens by id. */
export interface Vocabulary {
  /** The text that a token adds to what stands before it; parts of a character are U+FFFD. */
  texts: readonly string[];
  /** All bytes of a token that holds parts of characters, hexadecimal by id, where they are known. */
  bytes?: Readonly<Record<string, string>>;
  /** Ids of special tokens: shown as marks. */
  special: readonly number[];
  /** Ids at which the trainer's rule `span` ends a sentence. */
  sentenceEnds: readonly number[];
}
