/** Held-out evaluation: the same figures as in training, without gradients, over rows that are never trained on. */
import type { CacheRow } from '@selective-dpo/data';
import type { CausalLM } from '@selective-dpo/model';
import type { PairSelection } from './selection/select-tokens.js';
import { batchMetrics, type Metrics, type PairOutcome } from './step/batch-metrics.js';
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

/** Some pairs of an evaluation and what the policy makes of them, in the same order. */
export interface EvaluatedBatch {
  pairs: CachedPair[];
  outcomes: PairOutcome[];
}

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
  const means = new MeanMetrics(objective.loss.beta);
  for await (const batch of evaluatedBatches(model, cache, rows, objective, micro, signal)) means.add(batch);
  return means.figures();
}

/**
 * The outcomes behind {@link evaluate}, a batch at a time, in the order of `rows`.
 * @param signal stops between batches.
 */
export async function* evaluatedBatches(
  model: CausalLM,
  cache: { row(index: number): Promise<CacheRow> },
  rows: Uint32Array,
  objective: Objective,
  micro: MicroBatching,
  signal?: AbortSignal,
): AsyncGenerator<EvaluatedBatch> {
  for (let begin = 0; begin < rows.length; begin += PAIRS_AT_ONCE) {
    signal?.throwIfAborted();
    const indices = [...rows.subarray(begin, begin + PAIRS_AT_ONCE)];
    const pairs = await Promise.all(indices.map((index) => readPair(cache, index)));
    yield { pairs, outcomes: await evaluateBatch(model, pairs, objective, micro) };
  }
}

/** Means of the figures of batches, each weighed by what it is a mean over. */
export class MeanMetrics {
  private readonly means = new Map<string, { total: number; weight: number }>();
  private kept = 0;

  constructor(private readonly beta: number) {}

  /** Returns the figures of this batch alone. */
  add({ pairs, outcomes }: EvaluatedBatch): Metrics {
    const metrics = batchMetrics(outcomes, this.beta);
    for (const [name, value] of Object.entries(metrics)) {
      const mean = this.means.get(name) ?? { total: 0, weight: 0 };
      const weight = weightOf(name, metrics, pairs);
      this.means.set(name, { total: mean.total + value * weight, weight: mean.weight + weight });
    }
    this.kept += metrics['selection/tokens']!;
    return metrics;
  }

  /** The figures of all batches; none where there was no batch. */
  figures(): Metrics {
    const figures = Object.fromEntries(
      [...this.means].map(([name, { total, weight }]) => [name, total / weight]),
    );
    return 'selection/tokens' in figures ? { ...figures, 'selection/tokens': this.kept } : figures;
  }
}

/** What a figure of a batch is a mean over: its pairs, or for shares of tokens those tokens. */
function weightOf(name: string, metrics: Metrics, pairs: readonly CachedPair[]): number {
  if (name === 'selection/overlap_random') return Math.max(1, metrics['selection/tokens']!);
  if (name !== 'selection/kept_fraction') return pairs.length;
  return pairs.reduce((sum, { row }) => sum + row.chosenIds.length + row.rejectedIds.length, 0);
}
