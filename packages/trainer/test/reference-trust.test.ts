/** Runs with refTrust=weight and refTrust=drop, beside those without. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Interrupted, type NoticeEvent, type ProgressListener } from '@selective-dpo/foundation';
import type { CacheRow } from '@selective-dpo/data';
import { CausalLM, openEngine, type Engine } from '@selective-dpo/model';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveTrainingConfig, type TrainingConfig } from '../src/index.js';
import { runFingerprint } from '../src/run/run-directory.js';
import { selectiveStep, type CachedPair, type Objective } from '../src/step/selective-step.js';
import { pairTrust, referenceMargin } from '../src/trust/pair-trust.js';
import { codesOf, refusalOf } from './refusal.js';
import { pairRows, writeCache } from './small-cache.js';
import { writePolicy } from './small-policy.js';
import { figuresOf, newRunFolder, runWith, settings, weightsOf, type RunInputs } from './small-run.js';

const SCALE = 0.5;
const WEIGHT: Partial<TrainingConfig> = { refTrust: 'weight', refTrustScale: SCALE };
const DROP: Partial<TrainingConfig> = { refTrust: 'drop' };

const rows = pairRows(60);
const ordered = rows.filter((row) => referenceMargin(row).margin >= 0);

let engine: Engine;
let inputs: RunInputs;

beforeAll(async () => {
  engine = await openEngine('wasm');
  const policyDirectory = await writePolicy();
  inputs = { policyDirectory, cacheDirectory: await writeCache(policyDirectory, rows) };
  expect(ordered.length).toBeGreaterThan(15);
  expect(ordered.length).toBeLessThan(45);
});

const cacheOf = async (some: readonly CacheRow[]): Promise<RunInputs> => ({
  ...inputs,
  cacheDirectory: await writeCache(inputs.policyDirectory, some),
});

/** Figures of a run but those of trust, and the one that is drawn by a row's place in the cache. */
const plainFigures = async (folder: string) =>
  (await figuresOf(folder)).map((line) =>
    Object.fromEntries(Object.entries(line).filter(([key]) => !/^ref_trust\/|overlap_random$/.test(key))),
  );

async function expectSame(folder: string, other: string): Promise<void> {
  expect(await plainFigures(folder)).toEqual(await plainFigures(other));
  expect((await weightsOf(join(folder, 'final'))).equals(await weightsOf(join(other, 'final')))).toBe(true);
}

describe('refTrust=ignore', () => {
  it('is the run without it, and has the identity of runs from before there was such a key', async () => {
    const before = await runWith(inputs);
    const run = await runWith(inputs, { config: { refTrust: 'ignore' } });
    await expectSame(run.folder, before.folder);
    expect(
      Object.keys((await figuresOf(run.folder)).at(-1)!).filter((key) => key.startsWith('ref_trust')),
    ).toEqual([]);
    const config = settings();
    const old: unknown = Object.fromEntries(
      Object.entries(config).filter(([key]) => !key.startsWith('refTrust')),
    );
    const identity = { policySha256: 'p', cacheManifestSha256: 'c', engine: {}, config };
    const fingerprint = runFingerprint(identity);
    expect(runFingerprint({ ...identity, config: old as TrainingConfig })).toBe(fingerprint);
    for (const change of [DROP, WEIGHT, { ...WEIGHT, refTrustScale: 1 }]) {
      expect(runFingerprint({ ...identity, config: settings(change) })).not.toBe(fingerprint);
    }
  });

  it('goes on with a run from before, and another refTrust does not', async () => {
    const config = { maxSteps: 4, saveEvery: 2 };
    const { folder } = await runWith(inputs, { config });
    const file = join(folder, 'run.json');
    const { digest, ...identity } = JSON.parse(await readFile(file, 'utf8')) as {
      digest: string;
      config: Record<string, unknown>;
    };
    expect(digest).toHaveLength(64);
    delete identity.config['refTrust'];
    delete identity.config['refTrustScale'];
    await writeFile(file, JSON.stringify(identity));
    const again = await runWith(inputs, { config, outDirectory: folder, resume: true });
    expect(again.alreadyComplete).toBe(true);
    const other = () =>
      runWith(inputs, { config: { ...config, ...DROP }, outDirectory: folder, resume: true });
    expect(codesOf(await refusalOf(other))).toEqual(['run-differs']);
  });
});

describe('refTrust=drop', () => {
  it('is, bit for bit, the run on a cache without the pairs that the reference orders wrongly', async () => {
    const config = { epochs: 2, maxSteps: -1, batchSize: 4 };
    const run = await runWith(inputs, { config: { ...config, ...DROP } });
    const other = await runWith(await cacheOf(ordered), { config });
    expect(run.steps).toBe(2 * Math.ceil(ordered.length / 4));
    await expectSame(run.folder, other.folder);
    const kept = (await figuresOf(run.folder)).map((line) => line['ref_trust/kept']);
    expect(new Set(kept)).toEqual(new Set([ordered.length / rows.length]));
    // Negative control: the whole cache gives another run.
    const whole = await runWith(inputs, { config });
    expect(await weightsOf(join(whole.folder, 'final'))).not.toEqual(
      await weightsOf(join(run.folder, 'final')),
    );
  });

  it('changes nothing where the reference orders every pair', async () => {
    const sound = await cacheOf(ordered);
    await expectSame((await runWith(sound, { config: DROP })).folder, (await runWith(sound)).folder);
  });

  it('says how many pairs are left out, and is refused where none is left', async () => {
    const notices: NoticeEvent[] = [];
    const listener: ProgressListener = (event) => event.type === 'notice' && notices.push(event);
    await runWith(inputs, { config: { ...DROP, maxSteps: 1 }, listener });
    const dropped = rows.length - ordered.length;
    expect(notices).toContainEqual(
      expect.objectContaining({ code: 'reference-dropped', figures: { pairs: rows.length, dropped } }),
    );
    const wrong = await cacheOf(rows.filter((row) => !ordered.includes(row)));
    expect(codesOf(await refusalOf(() => runWith(wrong, { config: DROP })))).toEqual(['no-training-pairs']);
  });
});

describe('refTrust=weight', () => {
  const objective: Objective = {
    selection: { rule: 'quantile', keep: 0.5, spanUnit: 'window', spanWindow: 1 },
    loss: { type: 'sigmoid', beta: 0.1, labelSmoothing: 0, rpoAlpha: 0.2, lengthNormalization: false },
    endsSentence: () => false,
    seed: 0,
  };
  const micro = { pairs: 8, tokens: 4096, activations: 'keep' } as const;

  async function gradientsOf(model: CausalLM, pairs: readonly CachedPair[], tokens = 4096) {
    const { gradients } = await selectiveStep(model, pairs, objective, { ...micro, tokens });
    const values = new Map<string, Float32Array>();
    for (const [name, gradient] of gradients) values.set(name, (await engine.readFloats(gradient)).slice());
    gradients.forEach((gradient) => gradient.dispose());
    return values;
  }

  it('gives the weighted mean of the pairs’ own gradients, whatever the micro-batches', async () => {
    const model = await CausalLM.load(inputs.policyDirectory);
    const weights = [0.3, 1.9, 0, 1];
    const own: Map<string, Float32Array>[] = [];
    for (const index of weights.keys()) own.push(await gradientsOf(model, [{ index, row: rows[index]! }]));
    const pairs = weights.map((weight, index) => ({ index, row: rows[index]!, weight }));
    const before = engine.tf.memory().numTensors;
    for (const tokens of [4096, 1]) {
      const found = await gradientsOf(model, pairs, tokens);
      let unlike = 0;
      for (const [name, values] of found) {
        values.forEach((value, i) => {
          const each = own.map((gradients) => gradients.get(name)![i]!);
          const wanted = each.reduce((sum, gradient, k) => sum + weights[k]! * gradient, 0) / 4;
          expect(Math.abs(value - wanted)).toBeLessThan(1e-6);
          // Negative control: the plain mean is another.
          unlike = Math.max(unlike, Math.abs(value - each.reduce((sum, gradient) => sum + gradient, 0) / 4));
        });
      }
      expect(unlike).toBeGreaterThan(1e-4);
    }
    expect(engine.tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  /** One step over all pairs at a rate that changes nothing. */
  const still = { batchSize: 60, maxSteps: 1, learningRate: 1e-12 } as const;
  const trusts = rows.map((row) => pairTrust(referenceMargin(row), SCALE));
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

  it('divides by the mean trust, and says how many pairs that is worth', async () => {
    const { folder } = await runWith(inputs, { config: { ...still, ...WEIGHT } });
    const [line] = await figuresOf(folder);
    expect(line!['ref_trust/mean']).toBeCloseTo(mean(trusts), 12);
    expect(line!['ref_trust/kept']).toBeCloseTo(mean(trusts) ** 2 / mean(trusts.map((t) => t * t)), 12);
    expect(line!['ref_trust/distance']).toBeGreaterThan(0);
    const losses: number[] = [];
    for (const row of rows) {
      const single = await runWith(await cacheOf([row]), { config: { ...still, batchSize: 1 } });
      losses.push((await figuresOf(single.folder))[0]!.loss);
    }
    const wanted = mean(losses.map((loss, i) => (trusts[i]! / mean(trusts)) * loss));
    expect(line!.loss).toBeCloseTo(wanted, 5);
    expect(Math.abs(mean(losses) - wanted)).toBeGreaterThan(1e-3);
  });

  it('is the same run in passes of 2, 4 and 8 pairs, and under an endless scale the run without it', async () => {
    const weights = async (config: Partial<TrainingConfig>) => {
      const { folder } = await runWith(inputs, { config: { maxSteps: 3, ...config } });
      return (await plainFigures(folder)).map(({ loss }) => Number(loss));
    };
    const eight = await weights({ ...WEIGHT, batchSize: 8 });
    for (const batchSize of [2, 4]) {
      const cut = await weights({ ...WEIGHT, batchSize, gradientAccumulationSteps: 8 / batchSize });
      cut.forEach((loss, i) => expect(loss).toBeCloseTo(eight[i]!, 4));
    }
    const plain = await weights({ batchSize: 8 });
    const endless = await weights({ batchSize: 8, refTrust: 'weight', refTrustScale: 1e12 });
    endless.forEach((loss, i) => expect(loss).toBeCloseTo(plain[i]!, 5));
    expect(Math.abs(plain[0]! - eight[0]!)).toBeGreaterThan(1e-3);
  });
});

describe.each([
  ['weight', WEIGHT],
  ['drop', DROP],
])('refTrust=%s', (_, change) => {
  const config = { ...change, evalFraction: 0.2, evalEvery: 2, batchSize: 8, maxSteps: 4 };

  it('goes on after an interruption to the same figures and weights', async () => {
    const whole = await runWith(inputs, { config });
    const outDirectory = await newRunFolder();
    const controller = new AbortController();
    const listener: ProgressListener = ({ type }) => {
      if (type === 'progress') controller.abort();
    };
    const broken = runWith(inputs, { config, outDirectory, listener, signal: controller.signal });
    await expect(broken).rejects.toThrow(Interrupted);
    await runWith(inputs, { config, outDirectory, resume: true });
    expect(await figuresOf(outDirectory)).toEqual(await figuresOf(whole.folder));
    await expectSame(outDirectory, whole.folder);
  });

  it('leaves held-out pairs as they are, and no tensor behind', async () => {
    const before = engine.tf.memory().numTensors;
    const [found] = await figuresOf((await runWith(inputs, { config })).folder);
    expect(engine.tf.memory().numTensors).toBe(before);
    const [plain] = await figuresOf(
      (await runWith(inputs, { config: { ...config, refTrust: 'ignore', refTrustScale: 0.25 } })).folder,
    );
    expect(found!.split).toBe('eval');
    expect(found).toEqual(plain);
  });

  it('stopped before its first step says so, since its rows are not known yet', async () => {
    const run = runWith(inputs, { config, signal: AbortSignal.abort() });
    await expect(run).rejects.toThrow('before the first step');
  });
});

describe('a reference that orders few pairs', () => {
  const wrong = (count: number) =>
    pairRows(count).map((row) => ({ ...row, rejectedRefLogps: row.rejectedRefLogps.map(() => -0.01) }));
  const codes = async (some: readonly CacheRow[]) => {
    const found: string[] = [];
    const listener: ProgressListener = (event) => event.type === 'notice' && found.push(event.code);
    await runWith(await cacheOf(some), { config: { maxSteps: 1 }, listener });
    return found;
  };

  it('is warned of, and another one is not', async () => {
    expect(await codes(wrong(60))).toContain('reference-disagrees');
    expect(await codes(ordered)).not.toContain('reference-disagrees');
  });
});

describe('the settings', () => {
  const refused = async (...words: string[]) =>
    codesOf(await refusalOf(() => resolveTrainingConfig(undefined, words)));

  it('are refused where they have no meaning', async () => {
    expect(await refused('refTrust=trust', 'refTrustScale=0')).toEqual(['config-value', 'config-value']);
    expect(await refused('refTrust=drop', 'loss=sft')).toEqual(['config-combination']);
    expect(await refused('refTrust=drop', 'refTrustScale=1')).toEqual(['config-combination']);
    expect(await resolveTrainingConfig(undefined, ['refTrust=weight', 'refTrustScale=1'])).toMatchObject({
      refTrust: 'weight',
      refTrustScale: 1,
    });
  });
});
