import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openEngine, type Engine } from '@selective-dpo/model';
import { beforeAll, describe, expect, it } from 'vitest';
import { codesOf, refusalOf } from './refusal.js';
import { writePolicy } from './small-policy.js';
import { newRunFolder, runWith, writeRunInputs, type RunInputs } from './small-run.js';

let engine: Engine;
let inputs: RunInputs;

beforeAll(async () => {
  engine = await openEngine('wasm');
  inputs = await writeRunInputs();
});

describe('what is not finite', () => {
  /** A policy one weight of which has the given value. */
  async function policyWith(value: number, tensor = 'model.layers.1.mlp.down_proj.weight'): Promise<string> {
    const directory = await writePolicy();
    const file = join(directory, 'model.safetensors');
    const bytes = await readFile(file);
    const header = 8 + Number(bytes.readBigUInt64LE(0));
    const tensors = JSON.parse(bytes.toString('utf8', 8, header)) as Record<
      string,
      { data_offsets: [number, number] }
    >;
    bytes.writeFloatLE(value, header + tensors[tensor]!.data_offsets[0]);
    await writeFile(file, bytes);
    return directory;
  }

  it.each([NaN, Infinity, -Infinity, 3e38])('as a policy with the weight %d is refused', async (value) => {
    const before = engine.tf.memory().numTensors;
    for (const change of [{}, { evalFraction: 0.2 }, { selection: 'random' as const }]) {
      const outDirectory = await newRunFolder();
      const policyDirectory = await policyWith(value);
      const run = () => runWith({ ...inputs, policyDirectory }, { outDirectory, config: change });
      expect(await refusalOf(run)).toMatchObject([
        { code: 'policy-not-finite', details: { file: policyDirectory } },
      ]);
      expect(await readdir(outDirectory)).not.toContain('final');
    }
    expect(engine.tf.memory().numTensors).toBe(before);
  });

  it.each([
    { learningRate: 1e38, maxSteps: 1, saveEvery: 1 },
    { learningRate: 1e38, maxSteps: 2 },
    { weightDecay: 1e300, maxSteps: 1 },
    { weightDecay: 1e300, maxSteps: 1, saveEvery: 1 },
    { weightDecay: 1e300, maxSteps: 3, saveEvery: 1 },
    { weightDecay: 1e300, maxSteps: 1, evalFraction: 0.2 },
  ])('is published neither as a checkpoint nor as a policy: %j', async (config) => {
    const before = engine.tf.memory().numTensors;
    const outDirectory = await newRunFolder();
    const problems = await refusalOf(() => runWith(inputs, { outDirectory, config }));
    expect(codesOf(problems)).toEqual(['training-diverged']);
    const names = await readdir(outDirectory);
    for (const name of ['final', 'checkpoints']) expect(names).not.toContain(name);
    expect(engine.tf.memory().numTensors).toBe(before);
  });
});
