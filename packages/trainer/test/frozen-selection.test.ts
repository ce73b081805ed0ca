/** Runs whose tokens are selected once, by the policy they start from. */
import { readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Interrupted, type ProgressListener } from '@selective-dpo/foundation';
import { CausalLM, openEngine, type Engine } from '@selective-dpo/model';
import { splitRows } from '@selective-dpo/data';
import { beforeAll, describe, expect, it } from 'vitest';
import { selectTokens, type TrainingConfig } from '../src/index.js';
import { MaskFile } from '../src/selection/mask-file.js';
import { pairRows } from './small-cache.js';
import {
  figuresOf,
  newRunFolder,
  runWith,
  settings,
  weightsOf,
  writeRunInputs,
  type RunInputs,
} from './small-run.js';

const PAIRS = 30;
const BIN = 'initial-selection.bin';
const SEAL = 'initial-selection.json';

/** Two epochs and a half, held-out pairs, a checkpoint every other step. */
const CONFIG: Partial<TrainingConfig> = {
  ...{ selectionFrom: 'initial', evalFraction: 0.2, evalEvery: 3, maxSteps: 8, batchSize: 8, saveEvery: 2 },
  learningRate: 1e-2,
};

let engine: Engine;
let inputs: RunInputs;
let whole: string;
beforeAll(async () => {
  engine = await openEngine('wasm');
  inputs = await writeRunInputs(PAIRS);
  whole = (await runWith(inputs, { config: CONFIG })).folder;
});

const overlaps = async (folder: string) =>
  (await figuresOf(folder)).flatMap((line) => line['selection/overlap_previous'] ?? []);

async function expectSameRun(folder: string): Promise<void> {
  expect(await figuresOf(folder)).toEqual(await figuresOf(whole));
  expect(await readFile(join(folder, BIN))).toEqual(await readFile(join(whole, BIN)));
  const weights = await weightsOf(join(folder, 'final'));
  expect(weights.equals(await weightsOf(join(whole, 'final')))).toBe(true);
}

/** Stops a run once `stage` has told of its progress `times` times. */
async function stopped(outDirectory: string, stage: string, times: number): Promise<void> {
  const controller = new AbortController();
  let seen = 0;
  const listener: ProgressListener = (event) => {
    if (event.type === 'progress' && event.stage === stage && ++seen === times) controller.abort();
  };
  if (times === 0) controller.abort();
  const options = { outDirectory, resume: true, config: CONFIG, listener, signal: controller.signal };
  await expect(runWith(inputs, options)).rejects.toThrow(Interrupted);
}

describe('a frozen selection', () => {
  it('is that of the policy before the first step, for pairs of training and evaluation', async () => {
    const model = await CausalLM.load(inputs.policyDirectory);
    const file = await MaskFile.open(join(whole, BIN), PAIRS);
    const rows = pairRows(PAIRS);
    const logps = await model.logps(
      rows.map(({ promptIds, chosenIds, rejectedIds }) => ({
        prompt: promptIds,
        responses: [chosenIds, rejectedIds],
      })),
    );
    const selections = selectTokens(
      rows.map((row, i) => ({
        logps: {
          ...{ policyChosen: logps[i]![0]!, policyRejected: logps[i]![1]! },
          ...{ refChosen: row.chosenRefLogps, refRejected: row.rejectedRefLogps },
        },
        ...{ chosenIds: row.chosenIds, rejectedIds: row.rejectedIds, seed: 0 },
      })),
      { rule: 'quantile', keep: 0.4, spanUnit: 'window', spanWindow: 5 },
    );
    for (const [i, { chosen, rejected }] of selections.entries()) {
      expect(await file.mask(i, chosen.length, rejected.length)).toEqual({ chosen, rejected });
    }
    await file.close();
    model.dispose();
  });

  it('stays what it was at every visit; one that follows the policy does not', async () => {
    const frozen = await overlaps(whole);
    expect(frozen.length).toBeGreaterThan(3);
    for (const overlap of frozen) expect(overlap).toBe(1);
    const live = await runWith(inputs, { config: { ...CONFIG, selectionFrom: 'policy' } });
    expect(Math.min(...(await overlaps(live.folder)).map(Number))).toBeLessThan(1);
    expect(await readdir(live.folder)).not.toContain(BIN);
    // Both begin with the same step, and part.
    const [one, two] = [await figuresOf(whole), await figuresOf(live.folder)];
    expect(one[1]!.loss).toBe(two[1]!.loss);
    expect(one.at(-1)!.loss).not.toBe(two.at(-1)!.loss);
  });

  it('holds masks of the pairs that the run sees alone', async () => {
    const { folder } = await runWith(inputs, { config: { ...CONFIG, maxSteps: 1, batchSize: 2 } });
    const file = await MaskFile.open(join(folder, BIN), PAIRS);
    const rows = pairRows(PAIRS);
    const held = splitRows(PAIRS, 0.2, settings().seed).eval;
    let there = 0;
    for (const [i, { chosenIds, rejectedIds }] of rows.entries()) {
      const found = await file.mask(i, chosenIds.length, rejectedIds.length).catch(() => undefined);
      if (found !== undefined) there++;
      if (held.includes(i)) expect(found).toBeDefined();
    }
    expect(there).toBe(held.length + 2);
    await file.close();
  });

  it('of random tokens is one draw for the whole run', async () => {
    const { folder } = await runWith(inputs, { config: { ...CONFIG, selection: 'random' } });
    for (const overlap of await overlaps(folder)) expect(overlap).toBe(1);
    const live = await runWith(inputs, {
      config: { ...CONFIG, selection: 'random', selectionFrom: 'policy' },
    });
    for (const overlap of await overlaps(live.folder)) expect(overlap).toBeLessThan(1);
  });
});

describe('a run with a frozen selection that was stopped', () => {
  it.each([
    ['before its first pair', 'select', 0],
    ['while masks were made', 'select', 1],
    ['after its first step', 'train', 1],
    ['after its fifth step', 'train', 5],
  ])('%s goes on to the same figures, masks and weights', async (_, stage, times) => {
    const outDirectory = await newRunFolder();
    const before = engine.tf.memory().numTensors;
    await stopped(outDirectory, stage, times);
    expect(engine.tf.memory().numTensors).toBe(before);
    await runWith(inputs, { outDirectory, resume: true, config: CONFIG });
    expect(engine.tf.memory().numTensors).toBe(before);
    await expectSameRun(outDirectory);
  });

  it.each<[string, (folder: string) => Promise<void>]>([
    ['are gone', (folder) => rm(join(folder, BIN))],
    ['were cut short', (folder) => truncate(join(folder, BIN), 100)],
    ['have no seal', (folder) => rm(join(folder, SEAL))],
    [
      'have the seal of another run',
      (folder) => writeFile(join(folder, SEAL), '{"runFingerprint":"x","sha256":"y"}'),
    ],
    ['have a seal that is not JSON', (folder) => writeFile(join(folder, SEAL), '{')],
    [
      'have a changed bit',
      async (folder) => {
        const bytes = await readFile(join(folder, BIN));
        bytes[bytes.length - 1]! ^= 1;
        await writeFile(join(folder, BIN), bytes);
      },
    ],
  ])('makes its masks again when they %s', async (_, damage) => {
    const outDirectory = await newRunFolder();
    await stopped(outDirectory, 'train', 4);
    await damage(outDirectory);
    await runWith(inputs, { outDirectory, resume: true, config: CONFIG });
    await expectSameRun(outDirectory);
  });

  it('does not make whole masks again', async () => {
    const outDirectory = await newRunFolder();
    await stopped(outDirectory, 'train', 2);
    const stages = new Set<string>();
    const listener: ProgressListener = (event) => event.type === 'progress' && stages.add(event.stage);
    await runWith(inputs, { outDirectory, resume: true, config: CONFIG, listener });
    expect([...stages]).toEqual(['train']);
  });
});
