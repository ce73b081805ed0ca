/** The views that questions are asked of. Every one reads the cache's files in place. */
import { literal } from './duckdb.js';

export interface ViewedFiles {
  /** Parquet files of the shards in order, and the place in the cache of each one's first row. */
  shards: readonly { path: string; firstRow: number }[];
  /** `dropped.jsonl`. */
  dropped: string;
}

/** What can be asked of, for help and hints. */
export const CACHE_VIEWS = {
  pairs:
    'pair_index, pair_id, source_row, prompt_tokens, chosen_tokens, rejected_tokens, ref_chosen_logps, ref_rejected_logps, ' +
    'margin, margin_per_token',
  tokens: 'pair_index, pair_id, side, position, id, ref_logp',
  dropped: 'row, reason, detail',
  cache: 'pair_index and every column of the shards, lists as they are',
} as const;

/** Statements that make the views. Log-probs and margins (chosen − rejected) in nats; `pair_index` is 0-based. */
export function cacheViews({ shards, dropped }: ViewedFiles): string[] {
  const files = shards.map(({ path }) => literal(path)).join(', ');
  const starts = shards.map(({ firstRow }) => firstRow).join(', ');
  return [
    `CREATE VIEW cache AS SELECT ([${starts}]::BIGINT[])[(file_index + 1)::BIGINT] + file_row_number AS pair_index, *
     FROM read_parquet([${files}])`,
    `CREATE VIEW pairs AS SELECT *, ref_chosen_logps - ref_rejected_logps AS margin,
       ref_chosen_logps / chosen_tokens - ref_rejected_logps / rejected_tokens AS margin_per_token
     FROM (SELECT pair_index, pair_id, source_row, len(prompt_ids) AS prompt_tokens, len(chosen_ids) AS chosen_tokens,
       len(rejected_ids) AS rejected_tokens, ref_chosen_logps, ref_rejected_logps FROM cache)`,
    `CREATE VIEW tokens AS ${tokensOf('chosen')} UNION ALL ${tokensOf('rejected')}`,
    `CREATE VIEW dropped AS SELECT * FROM read_json(${literal(dropped)}, format = 'newline_delimited',
       columns = {row: 'BIGINT', reason: 'VARCHAR', detail: 'VARCHAR'})`,
  ];
}

function tokensOf(side: 'chosen' | 'rejected'): string {
  return `SELECT pair_index, pair_id, '${side}' AS side, unnest(range(len(${side}_ids))) AS position,
    unnest(${side}_ids) AS id, unnest(${side}_ref_logps) AS ref_logp FROM cache`;
}
