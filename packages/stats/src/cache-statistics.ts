/** The figures of a cache, by DuckDB over its Parquet shards. */
import { damagedCache } from '@selective-dpo/data';
import { ProgressMeter, type ProgressListener } from '@selective-dpo/foundation';
import type { CacheDatabase } from './cache-database.js';
import { spreadOfLogps, spreadOfPairs } from './spread.js';
import type { CacheFigures, DuplicateFigures, ReferenceFigures, Spread } from '@selective-dpo/data/figures';

/** Pairs in `mostWrong`, at most. */
const MOST_WRONG = 100;
/** A table of one small row a pair: what the figures of pairs are computed from. */
const PAIRS_TABLE = 'pair_figures';
/** Parts of the work, for its progress. */
const PARTS = 9;

/**
 * Reads the shards twice: lengths and hashes of pairs into a table, which spills to disk beyond the memory limit, and the log-probs.
 * @throws InputError `cache-damaged` for shards that are not what the manifest says, `memory-limit`; Interrupted.
 */
export async function cacheStatistics(
  cache: CacheDatabase,
  listener?: ProgressListener,
): Promise<CacheFigures> {
  const meter = new ProgressMeter('stats', 'parts', PARTS);
  const part = async <T>(work: Promise<T>): Promise<T> => {
    const result = await work;
    listener?.(meter.advance(1));
    return result;
  };
  const { rows, dropped } = cache.manifest;
  const tokens = await part(preparePairs(cache));
  const ofPairs = (value: string, whole: boolean) =>
    part(spreadOfPairs(cache, { relation: PAIRS_TABLE, value, count: rows, whole }));
  const promptTokens = await ofPairs('prompt_tokens', true);
  const chosenTokens = await ofPairs('chosen_tokens', true);
  const rejectedTokens = await ofPairs('rejected_tokens', true);
  const margins = {
    margin: await ofPairs('margin', false),
    marginPerToken: await ofPairs('margin_per_token', false),
  };
  const reference = await referenceFigures(cache, margins);
  const chosenLogps = await part(logps(cache, 'chosen_ref_logps', tokens.chosen));
  const rejectedLogps = await part(logps(cache, 'rejected_ref_logps', tokens.rejected));
  const duplicates = await part(duplicateFigures(cache));
  return {
    ...{ rows, dropped, promptTokens, chosenTokens, rejectedTokens },
    ...{ reference, chosenLogps, rejectedLogps, duplicates },
  };
}

/** Makes the table. @returns response tokens of each side. @throws InputError `cache-damaged`. */
async function preparePairs(cache: CacheDatabase): Promise<{ chosen: number; rejected: number }> {
  await cache.rows(
    `CREATE TEMP TABLE ${PAIRS_TABLE} AS
     SELECT pair_index, len(prompt_ids) AS prompt_tokens, len(chosen_ids) AS chosen_tokens,
       len(rejected_ids) AS rejected_tokens, ref_chosen_logps - ref_rejected_logps AS margin,
       ref_chosen_logps / len(chosen_ids) - ref_rejected_logps / len(rejected_ids) AS margin_per_token,
       hash(prompt_ids) AS prompt, hash(chosen_ids) AS chosen, hash(rejected_ids) AS rejected,
       len(prompt_ids) > 0 AND len(chosen_ids) > 0 AND len(rejected_ids) > 0
         AND len(chosen_ids) = len(chosen_ref_logps) AND len(rejected_ids) = len(rejected_ref_logps)
         AND isfinite(ref_chosen_logps) AND isfinite(ref_rejected_logps) AS sound
     FROM cache`,
  );
  const totals = await cache.row(
    `SELECT count(*) AS n, sum(chosen_tokens) AS chosen, sum(rejected_tokens) AS rejected,
       min(CASE WHEN sound THEN NULL ELSE pair_index END) AS unsound FROM ${PAIRS_TABLE}`,
  );
  const { rows, responseTokens } = cache.manifest;
  const [n, chosen, rejected] = [totals['n'], totals['chosen'], totals['rejected']].map(Number) as [
    number,
    number,
    number,
  ];
  if (totals['unsound'] !== null) {
    throw damagedCache(
      cache.directory,
      `pair ${Number(totals['unsound'])} with lists or sums that are not sound`,
      SOUND,
    );
  }
  if (n !== rows || chosen + rejected !== responseTokens) {
    const found = `${n} pairs with ${chosen + rejected} response tokens`;
    throw damagedCache(cache.directory, found, `${rows} pairs with ${responseTokens}`);
  }
  return { chosen, rejected };
}

const SOUND = 'lists of at least one token with as many finite log-probs';

async function referenceFigures(
  cache: CacheDatabase,
  margins: Pick<ReferenceFigures, 'margin' | 'marginPerToken'>,
): Promise<ReferenceFigures> {
  const counts = await cache.row(
    `SELECT count_if(margin > 0) AS right, count_if(margin = 0) AS ties, count_if(margin_per_token > 0) AS right_per_token
     FROM ${PAIRS_TABLE}`,
  );
  const worst = await cache.rows(
    `SELECT pair_index, margin FROM ${PAIRS_TABLE} WHERE margin < 0 ORDER BY margin, pair_index LIMIT ${MOST_WRONG}`,
  );
  const share = (name: string) => Number(counts[name]) / cache.manifest.rows;
  return {
    ...{
      accuracy: share('right'),
      ties: share('ties'),
      accuracyPerToken: share('right_per_token'),
      ...margins,
    },
    mostWrong: worst.map((row) => ({ pairIndex: Number(row['pair_index']), margin: Number(row['margin']) })),
  };
}

async function logps(cache: CacheDatabase, list: string, count: number): Promise<Spread> {
  const spread = await spreadOfLogps(cache, { list, count });
  if (spread === undefined)
    throw damagedCache(cache.directory, `log-probs in ${list} that are not finite`, SOUND);
  return spread;
}

async function duplicateFigures(cache: CacheDatabase): Promise<DuplicateFigures> {
  const counts = await cache.row(
    `WITH firsts AS (SELECT prompt, chosen, rejected, min(pair_index) AS first, count(*) AS n FROM ${PAIRS_TABLE} GROUP BY ALL)
     SELECT sum(n - 1)::BIGINT AS pairs, (SELECT count(*) - count(DISTINCT prompt) FROM ${PAIRS_TABLE}) AS prompts,
       (SELECT count(*) FROM ${PAIRS_TABLE} AS pair JOIN firsts AS other ON other.prompt = pair.prompt
          AND other.chosen = pair.rejected AND other.rejected = pair.chosen AND other.first < pair.pair_index) AS swapped
     FROM firsts`,
  );
  return {
    identicalPairs: Number(counts['pairs']),
    identicalPrompts: Number(counts['prompts']),
    swappedPairs: Number(counts['swapped']),
  };
}
