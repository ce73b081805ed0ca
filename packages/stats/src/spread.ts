/** Spreads by SQL: exact for one value a pair, by buckets of like size for one value a token. */
import type { CacheDatabase } from './cache-database.js';
import {
  LOGP_BINS,
  OUTER_SHARE,
  binsBetween,
  edgesOf,
  type Bins,
  type Spread,
} from '@selective-dpo/data/figures';
import { binExpression } from './bin-expression.js';
import { QUANTILES } from './statistics.js';

/** Bounds of buckets grow by this factor, so that their middle is within 0.5% of every value inside. */
const GROWTH = 1.005 / 0.995;
/** Log-probs nearer to 0 share one bucket. */
const SMALLEST = 1e-9;

/**
 * The spread of a column with one value a pair.
 * @param values of the relation: a number's SQL expression. @param count of rows in it.
 * @param whole whether the values are whole numbers.
 */
export async function spreadOfPairs(
  cache: CacheDatabase,
  { relation, value, count, whole }: { relation: string; value: string; count: number; whole: boolean },
): Promise<Spread> {
  // DuckDB's discrete quantile is the value of rank ceil(q · n) − 1: this q gives the rank wanted.
  const shares = [...QUANTILES, OUTER_SHARE, 1 - OUTER_SHARE].map(
    (share) => (rankOf(share, count) + 0.5) / count,
  );
  const summary = await cache.row(
    `SELECT sum(v)::DOUBLE AS sum, min(v) AS min, max(v) AS max, quantile_disc(v, [${shares.join(', ')}]) AS quantiles
     FROM (SELECT (${value})::DOUBLE AS v FROM ${relation})`,
  );
  const [sum, min, max] = [summary['sum'], summary['min'], summary['max']].map(Number) as [
    number,
    number,
    number,
  ];
  const found = summary['quantiles'] as number[];
  const [low, high] = found.slice(QUANTILES.length) as [number, number];
  const bins = binsBetween(low, high, whole);
  const counted = await cache.rows(
    `SELECT ${binExpression('v', bins)} AS bin, count(*) AS n FROM (SELECT (${value})::DOUBLE AS v FROM ${relation}) GROUP BY bin`,
  );
  return {
    ...{ total: count, min, mean: sum / count, max, quantiles: quantilesFrom(found) },
    histogram: histogramOf(bins, counted),
  };
}

/**
 * The spread of the log-probs of all tokens of one side, in one pass; memory does not grow with their number.
 * @returns undefined where there are not `count` finite ones.
 */
export async function spreadOfLogps(
  cache: CacheDatabase,
  { list, count }: { list: string; count: number },
): Promise<Spread | undefined> {
  const near = `abs(v) < ${SMALLEST}`;
  const side = `CASE WHEN ${near} THEN 0 ELSE sign(v) END`;
  const bucket = `CASE WHEN ${near} THEN 0 ELSE ceil(ln(abs(v)) / ${Math.log(GROWTH)}) END`;
  const groups = await cache.rows(
    `SELECT bin, count(*) AS n, sum(v) AS sum, min(v) AS min, max(v) AS max
     FROM (SELECT v, ${binExpression('v', LOGP_BINS)} AS bin, ${side} AS side, ${bucket} AS bucket
           FROM (SELECT unnest(${list})::DOUBLE AS v FROM cache) WHERE isfinite(v))
     GROUP BY GROUPING SETS ((bin), (side, bucket)) ORDER BY min`,
  );
  const buckets = groups.filter(({ bin }) => bin === null).map(bucketOf);
  if (buckets.reduce((all, { n }) => all + n, 0) !== count) return undefined;
  const sum = buckets.reduce((all, group) => all + group.sum, 0);
  const quantiles = QUANTILES.map((share) => valueAt(buckets, rankOf(share, count)));
  return {
    ...{ total: count, min: buckets[0]!.min, mean: sum / count, max: buckets.at(-1)!.max },
    quantiles: quantilesFrom(quantiles),
    histogram: histogramOf(
      LOGP_BINS,
      groups.filter(({ bin }) => bin !== null),
    ),
  };
}

interface Bucket {
  n: number;
  sum: number;
  min: number;
  max: number;
}

function bucketOf(group: Record<string, unknown>): Bucket {
  return {
    ...{ n: Number(group['n']), sum: Number(group['sum']) },
    ...{ min: Number(group['min']), max: Number(group['max']) },
  };
}

/** The middle of the bucket that holds a rank. @param buckets ascending; none overlaps another. */
function valueAt(buckets: readonly Bucket[], rank: number): number {
  let before = 0;
  const bucket = buckets.find(({ n }) => (before += n) > rank)!;
  return (bucket.min + bucket.max) / 2;
}

/** 0-based rank of a quantile among `count` values in order. */
function rankOf(share: number, count: number): number {
  return Math.floor(share * (count - 1));
}

function quantilesFrom(values: readonly number[]): Spread['quantiles'] {
  const [p5, p25, p50, p75, p95] = values;
  return [p5!, p25!, p50!, p75!, p95!];
}

function histogramOf(bins: Bins, groups: readonly Record<string, unknown>[]): Spread['histogram'] {
  const counts = new Array<number>(bins.count).fill(0);
  for (const { bin, n } of groups) counts[Number(bin)] = Number(n);
  return { edges: edgesOf(bins), counts };
}
