/** Held-out evaluation: the same figures as in training, without gradients, over rows that are never trained on. */
import type { CacheRow } from '@selective-dpo/data';
import type { CausalLM } from '@selective-dpo/model';
import type { PairSelection } from './selection/select-tokens.js';
import { batchMetrics, type Metrics } from './step/batch-metrics.js';
import { evaluateBatch, type CachedPair, type MicroBatching, type Objective } from './step/selective-step.js';

/** Where pairs come from. */
export interface PairSource {
  row(index: number): Promise<CacheRow>;
  /** What is kept of a pair, where that was decided before the first step. */
  frozenSelection?(index: number, row: CacheRow): Promise<PairSelection | undefined>;
}

/** The pair in row `index` of the cache, ready for a step. */
export async function readPair(source: PairSource, index: number): Promise<CachedPair> {
  const row = await source.row(index);
  return { index, row, frozen: await source.frozenSelection?.(index, row) };
}

/** Pairs whose selection is computed together (it matters for rule `batch` only) and held in memory. */
const PAIRS_AT_ONCE = 64;

/**
 * The figures of the pairs `rows` of the cache as if they were one batch; memory does not grow with their number, so
 * percentiles of thresholds are means over {@link PAIRS_AT_ONCE} pairs each.
 * @param signal stops between batches.
 */
export async function evaluate(
  model: CausalLM,
  cache: PairSource,
  rows: Uint32Array,
  objective: Objective,
  micro: MicroBatching,
  signal?: AbortSignal,
): Promise<Metrics> {
  const means = new Map<string, { total: number; weight: number }>();
  let kept = 0;
  for (let begin = 0; begin < rows.length; begin += PAIRS_AT_ONCE) {
    signal?.throwIfAborted();
    const indices = [...rows.subarray(begin, begin + PAIRS_AT_ONCE)];
    const pairs = await Promise.all(indices.map((index) => readPair(cache, index)));
    const metrics = batchMetrics(await evaluateBatch(model, pairs, objective, micro), objective.loss.beta);
    for (const [name, value] of Object.entries(metrics)) {
      const mean = means.get(name) ?? { total: 0, weight: 0 };
      const weight = weightOf(name, metrics, pairs);
      means.set(name, { total: mean.total + value * weight, weight: mean.weight + weight });
    }
    kept += metrics['selection/tokens']!;
  }
  const figures = Object.fromEntries([...means].map(([name, { total, weight }]) => [name, total / weight]));
  return 'selection/tokens' in figures ? { ...figures, 'selection/tokens': kept } : figures;
}

/** What a figure of a batch is a mean over: its pairs, or for shares of tokens those tokens. */
function weightOf(name: string, metrics: Metrics, pairs: readonly CachedPair[]): number {
  if (name === 'selection/overlap_random') return Math.max(1, metrics['selection/tokens']!);
  if (name !== 'selection/kept_fraction') return pairs.length;
  return pairs.reduce((sum, { row }) => sum + row.chosenIds.length + row.rejectedIds.length, 0);
}
