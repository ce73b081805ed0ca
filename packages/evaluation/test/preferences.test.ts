import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '@selective-dpo/foundation';
import { splitRows } from '@selective-dpo/data';
import { openEngine } from '@selective-dpo/model';
import { beforeAll, describe, expect, it } from 'vitest';
import { linesOf, runWith, writeRunInputs, type RunInputs } from '../../trainer/test/small-run.js';
import { pairRows, scoredRows, writeCache } from '../../trainer/test/small-cache.js';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { codesOf, refusalOf } from '../../trainer/test/refusal.js';
import {
  evaluatePreferences,
  publishPairTable,
  type EvaluatePreferencesOptions,
  type PairFigures,
} from '../src/index.js';
import { freshFolder } from './fresh-folder.js';

const PAIRS = 150;
const SPLIT = { evalFraction: 0.5, seed: 11 };

let inputs: RunInputs;
let run: string;

beforeAll(async () => {
  inputs = await writeRunInputs(PAIRS);
  run = (await runWith(inputs, { config: { ...SPLIT, keep: 0.3, beta: 0.2 } })).folder;
});

const evaluate = (change: Partial<EvaluatePreferencesOptions> = {}) =>
  evaluatePreferences({ models: [run], cacheDirectory: inputs.cacheDirectory, split: 'heldout', ...change });

/** Evaluates and gathers the figures of every pair. */
async function pairsOf(change: Partial<EvaluatePreferencesOptions> = {}): Promise<PairFigures[]> {
  const pairs: PairFigures[] = [];
  await evaluate({ ...change, onPairs: (some) => Promise.resolve(void pairs.push(...some)) });
  return pairs;
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe('evaluatePreferences', () => {
  it('gives the figures that the run itself wrote, bit for bit', async () => {
    const { split, step, time, ...figures } = (await linesOf(run)).findLast((line) => line.split === 'eval')!;
    expect([split, step, typeof time]).toEqual(['eval', 6, 'number']);
    const report = await evaluate();
    expect(report.models[0]!.metrics).toEqual(figures);
    expect(report.settings).toMatchObject({ keep: 0.3, beta: 0.2, ...SPLIT });
    // Negative control: another model has other figures.
    const before = await evaluate({ models: [inputs.policyDirectory], runDirectory: run });
    expect(before.models[0]!.metrics['loss']).not.toBe(figures.loss);
  });

  it('takes exactly the pairs that the run held out, and the others for train', async () => {
    const cut = splitRows(PAIRS, SPLIT.evalFraction, SPLIT.seed);
    expect((await pairsOf()).map(({ row }) => row)).toEqual([...cut.eval]);
    expect((await pairsOf({ split: 'train' })).map(({ row }) => row)).toEqual([...cut.train]);
    expect(await pairsOf({ split: 'all' })).toHaveLength(PAIRS);
    const named = await pairsOf({ models: [join(run, 'final')] });
    expect(named.map(({ row }) => row)).toEqual([...cut.eval]);
  });

  it('has pair figures whose means are the report, with intervals around them', async () => {
    const pairs = await pairsOf();
    const { intervals, metrics } = (await evaluate()).models[0]!;
    for (const kind of ['logps', 'rewards', 'rewards_kept'] as const) {
      const margins = pairs.map((pair) => pair[`${kind}_chosen`] - pair[`${kind}_rejected`]);
      expect(intervals[`${kind}/margins`]!.value).toBeCloseTo(mean(margins), 9);
      expect(intervals[`${kind}/accuracies`]!.value).toBeCloseTo(metrics[`${kind}/accuracies`]!, 9);
    }
    expect(intervals['loss']!.value).toBeCloseTo(metrics['loss']!, 9);
    for (const { value, low, high } of Object.values(intervals)) {
      expect(low).toBeLessThanOrEqual(value);
      expect(high).toBeGreaterThanOrEqual(value);
    }
    const { low, high } = intervals['rewards/margins']!;
    expect(high).toBeGreaterThan(low);
    const kept = pairs.reduce((sum, pair) => sum + pair.chosen_tokens_kept + pair.rejected_tokens_kept, 0);
    expect(kept).toBe(metrics['selection/tokens']);
  });

  it('counts every response token once in its statistics', async () => {
    const pairs = await pairsOf();
    const { tokens } = (await evaluate()).models[0]!;
    for (const side of ['chosen', 'rejected'] as const) {
      const all = pairs.reduce((sum, pair) => sum + pair[`${side}_tokens`], 0);
      const kept = pairs.reduce((sum, pair) => sum + pair[`${side}_tokens_kept`], 0);
      const { keptByPosition } = tokens[side];
      expect(tokens[side].all.policyLogps!.count).toBe(all);
      expect(tokens[side].kept.alignmentScores!.count).toBe(kept);
      expect(keptByPosition.reduce((sum, place) => sum + place.tokens, 0)).toBe(all);
      expect(keptByPosition.reduce((sum, place) => sum + place.kept, 0)).toBe(kept);
      expect(keptByPosition[0]).toMatchObject({ first: 0, last: 0, tokens: pairs.length });
      const sums = pairs.reduce((sum, pair) => sum + pair[`logps_${side}`], 0);
      expect(tokens[side].all.policyLogps!.mean).toBeCloseTo(sums / all, 6);
      // The rule keeps the highest scores.
      expect(tokens[side].kept.alignmentScores!.mean).toBeGreaterThan(tokens[side].all.alignmentScores!.mean);
    }
  });

  it('sets models side by side: the difference is paired, and none for the same model', async () => {
    const twin = join(await freshFolder(), 'twin');
    await cp(join(run, 'final'), twin, { recursive: true });
    const report = await evaluate({ models: [run, twin, inputs.policyDirectory] });
    expect(report.models).toHaveLength(3);
    const [same, other] = report.differences;
    for (const { value, low, high } of Object.values(same!.differences))
      expect([value, low, high]).toEqual([0, 0, 0]);
    const { loss } = other!.differences;
    expect(loss!.value).toBeCloseTo(
      report.models[2]!.metrics['loss']! - report.models[0]!.metrics['loss']!,
      9,
    );
    expect(loss!.high).toBeGreaterThan(loss!.low);
  });

  it('measures the same again, and leaves no tensor behind', async () => {
    const { tf } = await openEngine('wasm');
    const first = await evaluate();
    const before = tf.memory().numTensors;
    expect(await evaluate()).toEqual(first);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('takes settings in words, but not another split than the run’s', async () => {
    const report = await evaluate({ settings: ['keep=1', 'selection=all'] });
    expect(report.models[0]!.metrics['selection/kept_fraction']).toBe(1);
    expect(codesOf(await refusalOf(() => evaluate({ settings: ['seed=12'] })))).toEqual(['split-differs']);
    expect(codesOf(await refusalOf(() => evaluate({ settings: ['evalFraction=0.1'] })))).toEqual([
      'split-differs',
    ]);
    const free = await pairsOf({
      models: [inputs.policyDirectory],
      settings: ['evalFraction=0.1', 'seed=4'],
    });
    expect(free.map(({ row }) => row)).toEqual([...splitRows(PAIRS, 0.1, 4).eval]);
  });

  it('refuses what would measure something else', async () => {
    const otherCache = await writeCache(inputs.policyDirectory, pairRows(PAIRS, 2));
    expect(codesOf(await refusalOf(() => evaluate({ cacheDirectory: otherCache })))).toEqual([
      'cache-differs',
    ]);
    expect((await evaluate({ cacheDirectory: otherCache, split: 'all' })).pairs).toBe(PAIRS);
    expect(codesOf(await refusalOf(() => evaluate({ models: [inputs.policyDirectory] })))).toEqual([
      'no-pairs',
    ]);
    expect(codesOf(await refusalOf(() => evaluate({ models: [run, run] })))).toEqual(['model-twice']);
    const unfinished = join(await freshFolder(), 'run');
    await cp(run, unfinished, { recursive: true });
    await rm(join(unfinished, 'final'), { recursive: true });
    expect(codesOf(await refusalOf(() => evaluate({ models: [unfinished] })))).toEqual(['run-unfinished']);
  });

  it('names every model that is not there, and the one that is a file', async () => {
    const file = join(await freshFolder(), 'file');
    await writeFile(file, 'x');
    const missing = [join(run, 'WRONG'), file];
    const problems = await refusalOf(() => evaluate({ models: [run, ...missing] }));
    expect(codesOf(problems)).toEqual(['file-not-found', 'not-a-folder']);
    expect(problems.map(({ details }) => details.file)).toEqual(missing);
  });

  it('refuses a cache that distillation cannot be measured by, for each reason', async () => {
    const learning = (cacheDirectory: string, n: number) =>
      evaluate({
        ...{ cacheDirectory, models: [inputs.policyDirectory], split: 'all' },
        settings: ['engine=wasm', 'loss=distillation', `distillationTopN=${n}`],
      });
    expect(codesOf(await refusalOf(() => learning(inputs.cacheDirectory, 0)))).toEqual([
      'cache-without-top-logprobs',
    ]);
    await openEngine('wasm');
    const rows = await scoredRows(inputs.policyDirectory, pairRows(3), 2);
    const withTwo = await writeCache(inputs.policyDirectory, rows, { topLogprobs: 2 });
    const [problem] = await refusalOf(() => learning(withTwo, 3));
    expect([problem!.code, problem!.details.field]).toEqual(['config-value', 'distillationTopN']);
    // Negative control: as many as there are.
    expect((await learning(withTwo, 2)).pairs).toBe(3);
  });

  it('says when a model may have been trained on the pairs', async () => {
    const other = (await runWith(inputs, { config: { ...SPLIT, seed: 12 } })).folder;
    const codes: string[] = [];
    const listener = (event: { type: string; code?: string }) => void codes.push(event.code ?? '');
    await evaluate({ models: [run, join(run, 'final/')], listener });
    expect(codes.filter((code) => code === 'other-split')).toEqual([]);
    await evaluate({ models: [run, other], listener });
    expect(codes.filter((code) => code === 'other-split')).toEqual(['other-split']);
  });

  it.each([
    ['no JSON', '{"config"'],
    ['no digest', '{"policySha256":"x","cacheManifestSha256":"y","config":{}}'],
    ['a setting out of its limits', undefined],
  ])('refuses a run whose description has %s', async (_name, text) => {
    const damaged = join(await freshFolder(), 'run');
    await cp(run, damaged, { recursive: true });
    const file = join(damaged, 'run.json');
    const whole = await readFile(file, 'utf8');
    await writeFile(file, text ?? whole.replace('"keep": 0.3', '"keep": 30'));
    expect(codesOf(await refusalOf(() => evaluate({ models: [damaged] })))).toEqual(['run-damaged']);
  });

  it('refuses a policy whose log-probs are no numbers', async () => {
    const broken = join(await freshFolder(), 'broken');
    await cp(join(run, 'final'), broken, { recursive: true });
    const file = join(broken, 'model.safetensors');
    const bytes = await readFile(file);
    bytes.fill(0xff, bytes.length - 4000);
    await writeFile(file, bytes);
    expect(codesOf(await refusalOf(() => evaluate({ models: [broken], runDirectory: run })))).toEqual([
      'policy-not-finite',
    ]);
  });

  it('stops when asked to', async () => {
    const asked = new AbortController();
    asked.abort();
    await expect(evaluate({ signal: asked.signal })).rejects.toMatchObject({ name: 'Interrupted' });
  });
});

describe('publishPairTable', () => {
  it('writes the same rows as CSV and as Parquet', async () => {
    const folder = await freshFolder();
    const pairs = await pairsOf();
    const [csv, parquet] = [join(folder, 'pairs.csv'), join(folder, 'pairs.parquet')];
    for (const file of [csv, parquet]) {
      await publishPairTable(file, (onPairs) => evaluate({ onPairs }));
    }
    const [header, ...lines] = (await readFile(csv, 'utf8')).trim().split('\r\n');
    expect(header!.split(',')).toEqual(Object.keys(pairs[0]!));
    expect(lines).toEqual(pairs.map((pair) => Object.values(pair).join(',')));
    const rows = await parquetRows(parquet);
    expect(rows).toEqual(pairs);
  });

  it('quotes what a spreadsheet would compute or cut', async () => {
    const file = join(await freshFolder(), 'pairs.csv');
    const [pair] = await pairsOf();
    await publishPairTable(file, (append) => append([{ ...pair!, model: '=1+"2",3' }]));
    expect((await readFile(file, 'utf8')).split('\r\n')[1]).toMatch(/^"'=1\+""2"",3",/);
  });

  it('leaves nothing where the work fails, and refuses other names before any work', async () => {
    const file = join(await freshFolder(), 'pairs.csv');
    const failing = () => Promise.reject(new InputError('x', 'fails'));
    await expect(publishPairTable(file, failing)).rejects.toThrow('fails');
    await expect(readFile(file)).rejects.toThrow('ENOENT');
    const refused = await refusalOf(() => publishPairTable('pairs.txt', failing));
    expect(codesOf(refused)).toEqual(['table-format']);
  });
});

/** Read by another library than the one that writes. */
async function parquetRows(file: string): Promise<unknown[]> {
  const bytes = await readFile(file);
  return parquetReadObjects({ file: new Uint8Array(bytes).buffer, compressors });
}
