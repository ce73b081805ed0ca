import { CacheReader, type CacheRow } from '@selective-dpo/data';
import { CausalLM, openEngine, type Engine } from '@selective-dpo/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate } from '../src/evaluate.js';
import type { SelectionRule } from '../src/selection/select-tokens.js';
import { batchMetrics, type Metrics } from '../src/step/batch-metrics.js';
import { evaluateBatch, type MicroBatching, type Objective } from '../src/step/selective-step.js';
import { pairRows, writeCache } from './small-cache.js';
import { writePolicy } from './small-policy.js';

/** More than are held in memory at one time, and no multiple of it. */
const PAIRS = 150;

const objective = (rule: SelectionRule = 'quantile'): Objective => ({
  selection: { rule, keep: 0.4, spanUnit: 'window', spanWindow: 5 },
  loss: { type: 'sigmoid', beta: 0.1, labelSmoothing: 0, rpoAlpha: 0, lengthNormalization: false },
  endsSentence: () => false,
  seed: 0,
});

const micro = (change: Partial<MicroBatching> = {}): MicroBatching => ({
  ...{ pairs: 8, tokens: 4096, activations: 'keep' },
  ...change,
});

const allRows = Uint32Array.from({ length: PAIRS }, (_, i) => i);
const rows: CacheRow[] = pairRows(PAIRS);

let engine: Engine;
let model: CausalLM;
let cache: CacheReader;

beforeAll(async () => {
  engine = await openEngine('wasm');
  const policy = await writePolicy();
  cache = await CacheReader.open(await writeCache(policy, rows));
  model = await CausalLM.load(policy);
});

afterAll(async () => {
  model.dispose();
  await cache.close();
});

const run = (which: Uint32Array, how = micro(), rule?: SelectionRule) =>
  evaluate(model, cache, which, objective(rule), how);

/** The figures of some pairs computed as one batch. */
const atOnce = async (which: Uint32Array, rule?: SelectionRule) =>
  batchMetrics(
    await evaluateBatch(
      model,
      [...which].map((index) => ({ index, row: rows[index]! })),
      objective(rule),
      micro(),
    ),
    0.1,
  );

/** Means over pairs, and sums and shares over tokens; the rest describes a batch. */
const EXACT = [
  ...['loss', 'rewards/chosen', 'rewards/rejected', 'rewards/margins', 'rewards/accuracies'],
  ...['rewards_kept/chosen', 'rewards_kept/margins', 'rewards_kept/accuracies'],
  ...['logps/chosen', 'logps/rejected', 'selection/kept_fraction', 'selection/tokens'],
];

function expectSame(a: Metrics, b: Metrics, names: string[] = EXACT): void {
  for (const name of names) {
    expect(Math.abs(a[name]! - b[name]!), name).toBeLessThan(1e-5 * (1 + Math.abs(b[name]!)));
  }
}

describe('evaluate', () => {
  it('of few pairs gives the figures of one batch, every one of them', async () => {
    const few = allRows.slice(3, 40);
    const figures = await run(few);
    expect(Object.keys(figures)).toEqual(Object.keys(await atOnce(few)));
    expectSame(figures, await atOnce(few), Object.keys(figures));
  });

  it('of many pairs gives the means over all, as if they had been one batch', async () => {
    expectSame(await run(allRows), await atOnce(allRows));
    // Negative control: others have other means.
    expect((await run(allRows.slice(1)))['loss']).not.toBe((await run(allRows))['loss']);
  });

  it('is the mean of its parts', async () => {
    const [whole, first, second] = [
      await run(allRows),
      await run(allRows.slice(0, 100)),
      await run(allRows.slice(100)),
    ];
    for (const name of ['loss', 'rewards/accuracies', 'rewards_kept/margins', 'logps/chosen']) {
      expect(whole[name], name).toBeCloseTo((100 * first[name]! + 50 * second[name]!) / 150, 5);
    }
    expect(whole['selection/tokens']).toBe(first['selection/tokens']! + second['selection/tokens']!);
  });

  it.each([
    { pairs: 1 },
    { pairs: 3 },
    { pairs: 64 },
    { tokens: 1 },
    { tokens: 40, pairs: 64 },
    { activations: 'recompute' },
  ] as const)('does not depend on the batches %j it is computed in', async (how) => {
    const figures = await run(allRows, micro(how));
    expectSame(figures, await run(allRows), Object.keys(figures));
  });

  it('does not depend on the order of the pairs', async () => {
    expectSame(await run(allRows.toReversed()), await run(allRows));
  });

  it.each(['top-k', 'random', 'confidence', 'span', 'all'] as const)(
    'is exact under rule %s, too',
    async (rule) => {
      expectSame(await run(allRows, micro(), rule), await atOnce(allRows, rule));
    },
  );

  it('changes nothing of the model and leaves no tensor behind', async () => {
    const before = engine.tf.memory().numTensors;
    const first = await run(allRows);
    expect(engine.tf.memory().numTensors).toBe(before);
    expect(await run(allRows)).toEqual(first);
  });

  it('stops between batches when asked to', async () => {
    const asked = new AbortController();
    asked.abort();
    await expect(evaluate(model, cache, allRows, objective(), micro(), asked.signal)).rejects.toThrow(
      'aborted',
    );
    const { signal } = new AbortController();
    expect(await evaluate(model, cache, allRows, objective(), micro(), signal)).toEqual(await run(allRows));
  });
});
