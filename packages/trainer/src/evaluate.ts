/** Held-out evaluation: the same figures as in training, without gradients, over rows that are never trained on. */
import type { CacheReader } from '@selective-dpo/data';
import type { CausalLM } from '@selective-dpo/model';
import { batchMetrics, type Metrics } from './step/batch-metrics.js';
import { evaluateBatch, type MicroBatching, type Objective } from './step/selective-step.js';

/** Pairs whose selection is computed together (it matters for rule `batch` only) and held in memory. */
const PAIRS_AT_ONCE = 64;

/**
 * Means over the pairs `rows` of the cache; memory does not grow with their number.
 * @param signal stops between batches.
 */
export async function evaluate(
  model: CausalLM,
  cache: CacheReader,
  rows: Uint32Array,
  objective: Objective,
  micro: MicroBatching,
  signal?: AbortSignal,
): Promise<Metrics> {
  const sums = new Map<string, { total: number; pairs: number }>();
  for (let begin = 0; begin < rows.length; begin += PAIRS_AT_ONCE) {
    signal?.throwIfAborted();
    const indices = [...rows.subarray(begin, begin + PAIRS_AT_ONCE)];
    const pairs = await Promise.all(indices.map(async (index) => ({ index, row: await cache.row(index) })));
    const outcomes = await evaluateBatch(model, pairs, objective, micro);
    for (const [name, value] of Object.entries(batchMetrics(outcomes, objective.loss.beta))) {
      const sum = sums.get(name) ?? { total: 0, pairs: 0 };
      sums.set(name, { total: sum.total + value * pairs.length, pairs: sum.pairs + pairs.length });
    }
  }
  return Object.fromEntries([...sums].map(([name, { total, pairs }]) => [name, total / pairs]));
}
