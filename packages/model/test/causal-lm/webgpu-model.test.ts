import { beforeAll, describe, expect, it } from 'vitest';
import { openEngine, type EngineName } from '../../src/engine/index.js';
import { CausalLM, type SharedPromptSequence } from '../../src/causal-lm/index.js';
import { generate } from '../../src/generation/index.js';
import { nonFiniteParameter } from '../../src/training/index.js';
import { WEBGPU_TIMEOUT_MS, webgpuSkipped } from '../engine/webgpu-available.js';
import { shared, sharedJson } from '../shared-data.js';
import { randomModel, randomSequences } from './random-model.js';

interface Oracle {
  sequences: { input_ids: number[]; token_logprobs: number[] }[];
}

const sequences = randomSequences(
  [
    [5, 4, 6],
    [7, 3, 2],
    [20, 1, 2],
  ],
  37,
);

interface Pass {
  logps: number[];
  gradients: Map<string, Float32Array>;
  leaked: number;
}

/** One forward and backward pass of the same random model on an engine. */
async function passOn(name: EngineName, of: readonly SharedPromptSequence[], normScale = 1): Promise<Pass> {
  const { tf, readFloats } = await openEngine(name);
  const model = await randomModel({ attention_bias: true, tie_word_embeddings: false });
  if (normScale !== 1) {
    const norm = model.parameters.get('norm');
    model.parameters.assign(
      'norm',
      tf.tidy(() => tf.mul(norm, normScale)),
    );
  }
  const before = tf.memory().numTensors;
  const { logps, gradients } = await model.forwardBackward(of, (all) =>
    all.map((lists) => lists.map((list) => list.map((_, t) => Math.cos(t)))),
  );
  const values = new Map<string, Float32Array>();
  for (const [key, gradient] of gradients) {
    values.set(key, await readFloats(gradient));
    gradient.dispose();
  }
  const leaked = tf.memory().numTensors - before;
  model.dispose();
  return { logps: logps.flatMap((lists) => lists.flatMap((list) => [...list])), gradients: values, leaked };
}

function gap(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
}

describe.skipIf(webgpuSkipped)('a model on webgpu (needs webgpu)', { timeout: WEBGPU_TIMEOUT_MS }, () => {
  let wasm: Pass;
  let webgpu: Pass;
  beforeAll(async () => {
    wasm = await passOn('wasm', sequences);
    webgpu = await passOn('webgpu', sequences);
  }, WEBGPU_TIMEOUT_MS);

  it('has the log-probs and gradients of wasm, and leaves no tensor behind', async () => {
    expect(gap(webgpu.logps, wasm.logps)).toBeLessThan(1e-5);
    expect([...webgpu.gradients.keys()].sort()).toEqual([...wasm.gradients.keys()].sort());
    for (const [name, gradient] of wasm.gradients) {
      const largest = Math.max(...gradient.map(Math.abs));
      expect(gap(webgpu.gradients.get(name)!, gradient), name).toBeLessThan(1e-5 * (1 + largest));
    }
    expect(webgpu.leaked).toBe(0);
    // The check can fail.
    const other = await passOn('webgpu', sequences, 1.01);
    expect(gap(other.logps, wasm.logps)).toBeGreaterThan(1e-3);
  });

  it('gives the same bits again', async () => {
    const again = await passOn('webgpu', sequences);
    expect(again.logps).toEqual(webgpu.logps);
    for (const [name, gradient] of webgpu.gradients)
      expect(again.gradients.get(name), name).toEqual(gradient);
  });

  it('generates what wasm generates', async () => {
    const texts: number[][] = [];
    for (const name of ['wasm', 'webgpu'] as const) {
      await openEngine(name);
      const model = await randomModel();
      const [text] = await generate(model, [Int32Array.of(1, 5, 9)], { maxNewTokens: 8, stopIds: [] });
      texts.push([...text!]);
      model.dispose();
    }
    expect(texts[1]).toEqual(texts[0]);
  });

  it('with a weight that is not finite is found out', async () => {
    const { tf } = await openEngine('webgpu');
    const model = await randomModel();
    expect(await nonFiniteParameter(model.parameters)).toBeUndefined();
    for (const value of [NaN, Infinity]) {
      model.parameters.assign('norm', tf.tensor1d([...new Array<number>(23).fill(1), value]));
      expect((await nonFiniteParameter(model.parameters))?.name).toBe('norm');
    }
    model.dispose();
  });
});

describe.skipIf(webgpuSkipped || shared === undefined)(
  'stories260K on webgpu (needs webgpu)',
  { timeout: WEBGPU_TIMEOUT_MS },
  () => {
    it('log-probs of the oracle within 1e-4', async () => {
      const { tf } = await openEngine('webgpu');
      const model = await CausalLM.load(`${shared}/models/stories260K`);
      const oracle = sharedJson<Oracle>('models/stories260K/oracle.json').sequences;
      const before = tf.memory().numTensors;
      const logps = await model.logps(
        oracle.map(({ input_ids: ids }) => ({
          prompt: Int32Array.from(ids.slice(0, 1)),
          responses: [Int32Array.from(ids.slice(1))],
        })),
      );
      expect(tf.memory().numTensors).toBe(before);
      oracle.forEach((sequence, i) => expect(gap(logps[i]![0]!, sequence.token_logprobs)).toBeLessThan(1e-4));
      model.dispose();
    });
  },
);
