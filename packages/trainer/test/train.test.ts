import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NoticeEvent, ProgressEvent } from '@selective-dpo/foundation';
import { splitRows, type CacheRow } from '@selective-dpo/data';
import { CausalLM, openEngine, type Engine } from '@selective-dpo/model';
import { beforeAll, describe, expect, it } from 'vitest';
import { FIGURE_NAMES } from '../src/index.js';
import { freshFolder } from './fresh-folder.js';
import { codesOf, refusalOf } from './refusal.js';
import { pairRows, writeCache } from './small-cache.js';
import { VOCABULARY, writePolicy } from './small-policy.js';
import {
  figuresOf,
  linesOf,
  newRunFolder,
  runWith,
  weightsOf,
  writeRunInputs,
  type RunInputs,
} from './small-run.js';

const PAIRS = 30;

let engine: Engine;
let inputs: RunInputs;

beforeAll(async () => {
  engine = await openEngine('wasm');
  inputs = await writeRunInputs(PAIRS);
});

const stepsOf = (lines: { split: string; step: number }[], split: string) =>
  lines.filter((line) => line.split === split).map(({ step }) => step);

const numbers = async (folder: string, name: string, split = 'train') =>
  (await linesOf(folder)).filter((line) => line.split === split).map((line) => line[name] as number);

function expectClose(a: readonly number[], b: readonly number[], tolerance: number): void {
  expect(a).toHaveLength(b.length);
  a.forEach((value, i) => expect(Math.abs(value - b[i]!), `place ${i}`).toBeLessThan(tolerance));
}

/** The answers of a pair, each in the other's place. */
const exchanged = (row: CacheRow): Partial<CacheRow> => ({
  ...{ chosenIds: row.rejectedIds, rejectedIds: row.chosenIds },
  ...{ chosenRefLogps: row.rejectedRefLogps, rejectedRefLogps: row.chosenRefLogps },
});

describe('a run', () => {
  it('writes the figures that are known by name, and tells of its last step behind its last evaluation', async () => {
    const told: string[] = [];
    const { folder } = await runWith(inputs, {
      config: { maxSteps: 14, evalFraction: 0.2 },
      listener: (event) =>
        told.push(event.type === 'progress' ? `${event.stage} ${event.done}` : String(event.code)),
    });
    expect(told.slice(-3)).toEqual(['train 13', 'evaluated', 'train 14']);
    const names = (await linesOf(folder)).flatMap(({ split, ...figures }) =>
      Object.keys(figures)
        .filter((name) => !/^(?:step|time)$|^(?:seconds|memory)\/|\/s$/.test(name))
        .map((name) => `${split}/${name}`),
    );
    expect([...new Set(names)].sort()).toEqual([...FIGURE_NAMES].sort());
  });

  it('writes a line a step and a policy that loads, and lowers the loss', async () => {
    const { folder, steps, finalDirectory, lastMetrics } = await runWith(inputs, {
      config: { maxSteps: 20 },
    });
    expect(steps).toBe(20);
    const names = (await readdir(folder)).filter((name) => !name.startsWith('events.out.tfevents.'));
    expect(names.sort()).toEqual(['config.yaml', 'final', 'metrics.jsonl', 'run.json']);
    const lines = await linesOf(folder);
    expect(lines.map(({ split, step }) => [split, step])).toEqual(
      Array.from({ length: 20 }, (_, i) => ['train', i + 1]),
    );
    expect(lines.at(-1)).toMatchObject({ ...lastMetrics.train });
    const losses = await numbers(folder, 'loss');
    const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length;
    expect(mean(losses.slice(-8))).toBeLessThan(mean(losses.slice(0, 8)) - 0.1);
    expect((await readdir(finalDirectory)).sort()).toEqual(
      ['README.md', 'config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'].sort(),
    );
    const model = await CausalLM.load(finalDirectory);
    expect(model.config.vocabSize).toBe(VOCABULARY);
    model.dispose();
  });

  it('logs every figure, each a finite number, and the epoch the step ends in', async () => {
    const { folder } = await runWith(inputs, { config: { maxSteps: -1, epochs: 2 } });
    const lines = await linesOf(folder);
    for (const line of lines) {
      const { split, ...figures } = line;
      expect(split).toBe('train');
      for (const [name, value] of Object.entries(figures)) expect(Number.isFinite(value), name).toBe(true);
    }
    expect(Object.keys(lines[0]!)).toEqual(
      expect.arrayContaining([
        ...[
          'loss',
          'rewards/margins',
          'rewards_kept/accuracies',
          'selection/kept_fraction',
          'grad_norm',
          'lr',
        ],
        ...['tokens/s', 'pairs/s', 'seconds/forward', 'seconds/optimizer', 'memory/tensors', 'epoch'],
      ]),
    );
    // 30 pairs in steps of 4: 8 steps an epoch, the last of 2 pairs.
    expectClose(
      lines.map(({ epoch }) => epoch as number),
      Array.from({ length: 16 }, (_, i) => (i + 1) / 8),
      1e-12,
    );
    const overlaps = lines.map((line) => 'selection/overlap_previous' in line);
    expect(overlaps).toEqual(overlaps.map((_, i) => i >= 8));
  });

  it('tells its listener of every step', async () => {
    const events: (ProgressEvent | NoticeEvent)[] = [];
    const { folder } = await runWith(inputs, { listener: (event) => events.push(event) });
    const progress = events.filter((event) => event.type === 'progress');
    expect(progress.map(({ stage, done, total, unit }) => [stage, done, total, unit])).toEqual(
      [1, 2, 3, 4, 5, 6].map((done) => ['train', done, 6, 'steps']),
    );
    expect(progress.map(({ figures }) => figures!['loss'])).toEqual(await numbers(folder, 'loss'));
  });

  it('is the same run when it is done again, and another with another seed or order', async () => {
    const figures = async (change: object) => figuresOf((await runWith(inputs, { config: change })).folder);
    const first = await figures({});
    expect(await figures({})).toEqual(first);
    expect(await figures({ seed: 6 })).not.toEqual(first);
    expect(await figures({ shuffle: false })).not.toEqual(first);
  });

  it('ends at the step that needs a row which cannot be read, and not while it is read ahead', async () => {
    const long = await writeRunInputs(80);
    const shard = join(long.cacheDirectory, 'shards', 'shard-00001.arrow');
    const bytes = await readFile(shard);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(shard, bytes);
    const outDirectory = await newRunFolder();
    const config = { shuffle: false, maxSteps: 15 };
    expect(codesOf(await refusalOf(() => runWith(long, { outDirectory, config })))).toEqual([
      'cache-damaged',
    ]);
    // A shard holds 40 pairs, a step takes 4.
    expect(stepsOf(await linesOf(outDirectory), 'train')).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('has the same number of tensors before and after, and at every step', async () => {
    const before = engine.tf.memory().numTensors;
    const { folder } = await runWith(inputs, { config: { evalFraction: 0.2, evalEvery: 2, saveEvery: 3 } });
    expect(engine.tf.memory().numTensors).toBe(before);
    const counts = new Set(await numbers(folder, 'memory/tensors'));
    expect(counts.size).toBe(1);
    expect([...counts][0]).toBeGreaterThan(before);
  });
});

describe('the figures of a run', () => {
  /** A cache whose reference is the policy itself. */
  async function cacheOfPolicy(): Promise<string> {
    const model = await CausalLM.load(inputs.policyDirectory);
    const rows = pairRows(PAIRS);
    const logps = await model.logps(
      rows.map((row) => ({ prompt: row.promptIds, responses: [row.chosenIds, row.rejectedIds] })),
    );
    model.dispose();
    const scored: CacheRow[] = rows.map((row, i) => ({
      ...row,
      chosenRefLogps: logps[i]![0]!,
      rejectedRefLogps: logps[i]![1]!,
    }));
    return writeCache(inputs.policyDirectory, scored);
  }

  it('begin at ln 2 and no reward where the reference is the policy itself', async () => {
    const own = { ...inputs, cacheDirectory: await cacheOfPolicy() };
    const [first, second] = await linesOf((await runWith(own)).folder);
    expect(first!.loss).toBeCloseTo(Math.LN2, 5);
    expect(first!['rewards/margins']).toBeCloseTo(0, 5);
    expect(Math.abs(second!.loss - Math.LN2)).toBeGreaterThan(1e-3);
    // Negative control: the reference of the other cache is not the policy.
    const [other] = await linesOf((await runWith(inputs)).folder);
    expect(Math.abs(other!.loss - Math.LN2)).toBeGreaterThan(1e-2);
  });

  it('are those of plain DPO at keep 1 under any rule', async () => {
    const all = await figuresOf((await runWith(inputs, { config: { selection: 'all' } })).folder);
    const losses = (lines: { loss: number }[]) => lines.map(({ loss }) => loss);
    for (const selection of ['quantile', 'top-k', 'random'] as const) {
      const lines = await figuresOf((await runWith(inputs, { config: { selection, keep: 1 } })).folder);
      expect(losses(lines)).toEqual(losses(all));
    }
    const some = await figuresOf((await runWith(inputs, { config: { keep: 0.4 } })).folder);
    expect(losses(some)).not.toEqual(losses(all));
  });

  it.each(['quantile', 'batch'] as const)(
    'are those of batches of 8 when 2 passes of 4 are accumulated, under rule %s',
    async (selection) => {
      const run = async (batchSize: number, gradientAccumulationSteps: number) =>
        (await runWith(inputs, { config: { selection, batchSize, gradientAccumulationSteps } })).folder;
      const [cut, whole, half] = [await run(4, 2), await run(8, 1), await run(4, 1)];
      for (const name of ['loss', 'grad_norm', 'rewards/margins', 'selection/tokens', 'lr']) {
        expectClose(await numbers(cut, name), await numbers(whole, name), 2e-5);
      }
      const apart = (await numbers(half, 'loss')).map((loss, i) => [loss, i] as const);
      const losses = await numbers(whole, 'loss');
      expect(apart.some(([loss, i]) => Math.abs(loss - losses[i]!) > 1e-2)).toBe(true);
    },
  );

  it('do not depend on the tokens computed at one time, nor on recomputation', async () => {
    const losses = async (change: object) =>
      numbers((await runWith(inputs, { config: change })).folder, 'loss');
    const whole = await losses({});
    expectClose(await losses({ microBatchTokens: 1 }), whole, 2e-5);
    expect(await losses({ activations: 'recompute' })).toEqual(whole);
  });
});

describe('chance in a run', () => {
  /** Losses of steps over all pairs, in one order, of a policy that as good as stands still. */
  const losses = async (change: object) => {
    const still = { batchSize: PAIRS, shuffle: false, learningRate: 1e-12, maxSteps: 3, ...change };
    return numbers((await runWith(inputs, { config: still })).folder, 'loss');
  };

  it('draws other tokens at every step under random selection, and the same under others', async () => {
    const drawn = await losses({ selection: 'random' });
    expect(new Set(drawn.map((loss) => loss.toFixed(3))).size).toBe(3);
    const [first, ...rest] = await losses({ selection: 'quantile' });
    expectClose(rest, [first!, first!], 1e-5);
  });

  it('draws by the seed', async () => {
    const [one, two] = [
      await losses({ selection: 'random' }),
      await losses({ selection: 'random', seed: 6 }),
    ];
    for (const loss of one) for (const other of two) expect(Math.abs(loss - other)).toBeGreaterThan(1e-4);
  });
});

describe('the gradient of a run', () => {
  it('is clipped to maxGradNorm, and not where that is 0 or is not reached', async () => {
    const run = (maxGradNorm: number) => runWith(inputs, { config: { maxGradNorm } });
    const [off, high, low] = [await run(0), await run(1e9), await run(0.01)];
    const weights = await weightsOf(off.finalDirectory);
    expect((await weightsOf(high.finalDirectory)).equals(weights)).toBe(true);
    expect((await weightsOf(low.finalDirectory)).equals(weights)).toBe(false);
    // What is logged is the norm before clipping.
    expect((await numbers(low.folder, 'grad_norm'))[0]).toBe((await numbers(off.folder, 'grad_norm'))[0]);
  });
});

describe('the learning rate of a run', () => {
  it('follows its schedule, and a rate of 0 changes no weight', async () => {
    const config = { warmupSteps: 2, lrSchedule: 'linear', learningRate: 1e-3, weightDecay: 0.1 } as const;
    const { folder } = await runWith(inputs, { config });
    expectClose(await numbers(folder, 'lr'), [0, 5e-4, 1e-3, 7.5e-4, 5e-4, 2.5e-4], 1e-15);
    const before = await weightsOf(inputs.policyDirectory);
    const after = async (maxSteps: number) =>
      weightsOf((await runWith(inputs, { config: { ...config, maxSteps } })).finalDirectory);
    expect((await after(1)).equals(before)).toBe(true);
    expect((await after(2)).equals(before)).toBe(false);
  });

  it('that makes the run diverge ends it, with the step and without a policy', async () => {
    const outDirectory = await newRunFolder();
    const before = engine.tf.memory().numTensors;
    const config = { learningRate: 1e30, maxGradNorm: 0, lrSchedule: 'constant' } as const;
    const [problem] = await refusalOf(() => runWith(inputs, { outDirectory, config }));
    expect(problem!.code).toBe('training-diverged');
    expect(problem!.message).toContain(`step ${(await linesOf(outDirectory)).length + 1}`);
    expect(problem!.details.hint).toContain('learningRate');
    expect(await readdir(outDirectory)).not.toContain('final');
    expect(engine.tf.memory().numTensors).toBe(before);
  });
});

describe('evaluation within a run', () => {
  const held = { evalFraction: 0.2, evalEvery: 4 };

  it('comes before the first step, every evalEvery steps and after the last', async () => {
    const { folder, lastMetrics } = await runWith(inputs, { config: held });
    const lines = await linesOf(folder);
    expect(stepsOf(lines, 'eval')).toEqual([0, 4, 6]);
    expect(stepsOf(lines, 'train')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(lines.at(-1)).toMatchObject({ split: 'eval', step: 6, ...lastMetrics.eval });
    expect(lastMetrics.eval).not.toHaveProperty('time');
    const ends = await runWith(inputs, { config: { ...held, evalEvery: 0 } });
    expect(stepsOf(await linesOf(ends.folder), 'eval')).toEqual([0, 6]);
    const none = await runWith(inputs, { config: { evalEvery: 1 } });
    expect(stepsOf(await linesOf(none.folder), 'eval')).toEqual([]);
  });

  it('does not touch what is trained', async () => {
    const train = async (evalEvery: number) =>
      (await figuresOf((await runWith(inputs, { config: { ...held, evalEvery } })).folder)).filter(
        ({ split }) => split === 'train',
      );
    expect(await train(1)).toEqual(await train(0));
  });

  it('is over pairs that no step sees', async () => {
    const rows = pairRows(PAIRS);
    const { eval: apart, train } = splitRows(PAIRS, 0.2, 5);
    expect([apart.length, train.length]).toEqual([6, 24]);
    /** Figures of each split, with the answers of one pair exchanged. */
    const figures = async (place?: number) => {
      const changed = rows.map((row, i) => (i === place ? { ...row, ...exchanged(row) } : row));
      const cacheDirectory = await writeCache(inputs.policyDirectory, changed);
      const config = { ...held, maxSteps: -1, learningRate: 1e-9 };
      const lines = await figuresOf((await runWith({ ...inputs, cacheDirectory }, { config })).folder);
      return ['train', 'eval'].map((split) => lines.filter((line) => line.split === split));
    };
    const [trainLines, evalLines] = await figures();
    const [sameTrain, otherEval] = await figures(apart[0]);
    expect(sameTrain).toEqual(trainLines);
    expect(otherEval).not.toEqual(evalLines);
    const [otherTrain] = await figures(train[0]);
    expect(otherTrain).not.toEqual(trainLines);
  });

  it('that leaves nothing to train on is refused', async () => {
    const few = { ...inputs, cacheDirectory: await writeCache(inputs.policyDirectory, pairRows(1)) };
    const problems = await refusalOf(() => runWith(few, { config: { evalFraction: 0.5 } }));
    expect(problems).toMatchObject([
      { code: 'no-training-pairs', details: { found: '1 pair, 1 of them held out' } },
    ]);
    expect((await runWith(few, { config: { evalFraction: 0 } })).steps).toBe(6);
  });
});

describe('a cache that is not for the policy', () => {
  it('is refused for a token that the policy has no embedding for', async () => {
    const rows = pairRows(8);
    const { eval: apart, train } = splitRows(8, 0.25, 5);
    for (const [list, field] of [
      ['promptIds', 'prompt_ids'],
      ['chosenIds', 'chosen_ids'],
      ['rejectedIds', 'rejected_ids'],
    ] as const) {
      for (const place of [apart[0]!, train[0]!]) {
        const unknown = (row: CacheRow) => ({ ...row, [list]: row[list].map(() => VOCABULARY) });
        const changed = rows.map((row, i) => (i === place ? unknown(row) : row));
        const cacheDirectory = await writeCache(inputs.policyDirectory, changed);
        const config = { evalFraction: 0.25, maxSteps: 2 };
        expect(await refusalOf(() => runWith({ ...inputs, cacheDirectory }, { config }))).toMatchObject([
          { code: 'token-out-of-range', details: { row: place, field, found: String(VOCABULARY) } },
        ]);
      }
    }
  });

  it('is refused for another tokenizer or chat template, unless the template was given', async () => {
    const refused = async (change: object) => {
      const cacheDirectory = await writeCache(inputs.policyDirectory, pairRows(8), change);
      const outDirectory = await newRunFolder();
      const codes = codesOf(await refusalOf(() => runWith({ ...inputs, cacheDirectory }, { outDirectory })));
      await expect(readdir(outDirectory)).rejects.toThrow('ENOENT');
      return codes;
    };
    expect(await refused({ tokenizer: 'b'.repeat(64) })).toEqual(['tokenizer-differs']);
    expect(await refused({ chatTemplate: 'b'.repeat(64) })).toEqual(['chat-template-differs']);
    const given = { chatTemplate: 'b'.repeat(64), chatTemplateGiven: true };
    const cacheDirectory = await writeCache(inputs.policyDirectory, pairRows(8), given);
    expect((await runWith({ ...inputs, cacheDirectory }, { config: { maxSteps: 1 } })).steps).toBe(1);
  });
});

describe('the folder of a run', () => {
  it('has checkpoints every saveEvery steps and at the end, the last of them', async () => {
    const { folder } = await runWith(inputs, { config: { saveEvery: 2, saveTotalLimit: 5, maxSteps: 5 } });
    expect((await readdir(join(folder, 'checkpoints'))).sort()).toEqual(['step-2', 'step-4', 'step-5']);
    const last = await runWith(inputs, { config: { saveEvery: 2, saveTotalLimit: 1, maxSteps: 5 } });
    expect(await readdir(join(last.folder, 'checkpoints'))).toEqual(['step-5']);
    expect(await weightsOf(join(folder, 'checkpoints', 'step-5'))).toEqual(
      await weightsOf(join(folder, 'final')),
    );
  });

  it('is refused, and untouched, when it holds something else', async () => {
    const outDirectory = await freshFolder();
    await writeFile(join(outDirectory, 'thesis.tex'), 'x');
    expect(codesOf(await refusalOf(() => runWith(inputs, { outDirectory })))).toEqual(['folder-in-use']);
    expect(await readdir(outDirectory)).toEqual(['thesis.tex']);
    await rm(join(outDirectory, 'thesis.tex'));
    expect((await runWith(inputs, { outDirectory })).steps).toBe(6);
  });

  it('is not made for a policy or a cache that is not there', async () => {
    const nowhere = join(await freshFolder(), 'nowhere');
    for (const change of [{ policyDirectory: nowhere }, { cacheDirectory: nowhere }]) {
      const outDirectory = await newRunFolder();
      await refusalOf(() => runWith({ ...inputs, ...change }, { outDirectory }));
      await expect(readdir(outDirectory)).rejects.toThrow('ENOENT');
    }
  });

  it('gives a policy that another run can start from', async () => {
    const { finalDirectory } = await runWith(inputs, { config: { maxSteps: 2 } });
    const own = { ...inputs, policyDirectory: finalDirectory };
    const again = await runWith(own, { config: { maxSteps: 1, learningRate: 1e-6 } });
    expect(again.steps).toBe(1);
    const fresh = { ...inputs, policyDirectory: await writePolicy(2) };
    const other = await runWith(fresh, { config: { maxSteps: 1, learningRate: 1e-6 } });
    expect(other.lastMetrics.train!['loss']).not.toBe(again.lastMetrics.train!['loss']);
  });
});
