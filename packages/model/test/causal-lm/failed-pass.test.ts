import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeGradients, type ActivationPolicy, type CausalLM } from '../../src/causal-lm/index.js';
import { openEngine, type EngineName } from '../../src/engine/index.js';
import { WEBGPU_TIMEOUT_MS, webgpuSkipped } from '../engine/webgpu-available.js';
import { enginesToTest } from '../engines-to-test.js';
import { withFailingKernel } from './failing-kernels.js';
import { randomModel, randomSequences } from './random-model.js';

const sequences = randomSequences(
  [
    [5, 4, 6],
    [7, 3, 2],
  ],
  37,
);

const POLICIES: ActivationPolicy[] = ['keep', 'recompute'];

/** Tensors of the engine, and the memory they stand on. */
const held = () => [tf.memory().numTensors, tf.memory().numDataBuffers];

/** Two passes that share their gradients, the logits in several chunks: every kind of sum is among them. */
async function twoPasses(model: CausalLM, activations: ActivationPolicy): Promise<void> {
  const ones = (logps: Float32Array[][]) => logps.map((lists) => lists.map((list) => list.map(() => 1)));
  const options = { activations, logitRows: 8 };
  const { gradients } = await model.forwardBackward(sequences, ones, options);
  await model.forwardBackward(sequences, ones, { ...options, gradients });
  disposeGradients(gradients);
}

/** One kernel call in turn fails: the first, then every `stride`-th after it. */
async function expectNothingLeft(
  model: CausalLM,
  activations: ActivationPolicy,
  stride: number,
): Promise<void> {
  let before = held();
  const { calls, failed } = await withFailingKernel(Infinity, () => twoPasses(model, activations));
  expect(failed).toBe(false);
  expect(calls).toBeGreaterThan(60);
  expect(held()).toEqual(before);
  const left: string[] = [];
  for (let n = 1; n <= calls; n += stride) {
    const outcome = await withFailingKernel(n, () => twoPasses(model, activations));
    expect(outcome.failed, `call ${n}`).toBe(true);
    const [tensors, buffers] = held().map((count, i) => count - before[i]!);
    if (tensors !== 0 || buffers !== 0) left.push(`call ${n}: ${tensors} tensors, ${buffers} buffers`);
    before = held();
  }
  expect(left).toEqual([]);
}

function describeFailedPasses(engine: EngineName, change: object, stride: number): void {
  let model: CausalLM;
  beforeAll(async () => {
    await openEngine(engine);
    model = await randomModel({ ...change });
  });
  afterAll(() => model.dispose());

  it.each(POLICIES)('leaves no tensor, whichever kernel fails, activations %s', (activations) =>
    expectNothingLeft(model, activations, stride),
  );

  it('leaves none where log-probs alone are asked for', async () => {
    const before = held();
    const work = () => model.logps(sequences, { logitRows: 8 });
    const { calls } = await withFailingKernel(Infinity, work);
    for (let n = 1; n <= calls; n++) {
      expect((await withFailingKernel(n, work)).failed).toBe(true);
      expect(held(), `call ${n}`).toEqual(before);
    }
  });
}

const WITH_BIASES = { attention_bias: true, mlp_bias: true, tie_word_embeddings: false };

describe.each(enginesToTest('tensorflow', 'wasm'))('a pass that fails on %s', (engine) => {
  describe('tied head', () => describeFailedPasses(engine, {}, 1));
  describe('biases and a head of its own', () => describeFailedPasses(engine, WITH_BIASES, 1));
});

// Plain ops, which are slow here: one layer has all of them, and one call in four has to do.
describe('a pass that fails on cpu', () => describeFailedPasses('cpu', { num_hidden_layers: 1 }, 4));

describe.skipIf(webgpuSkipped)(
  'a pass that fails on webgpu (needs webgpu)',
  { timeout: WEBGPU_TIMEOUT_MS },
  () => describeFailedPasses('webgpu', {}, 5),
);

describe('the failing kernels of this test', () => {
  it('would show what is left behind', async () => {
    await openEngine('cpu');
    const before = held();
    let lost: tf.Tensor | undefined;
    const work = async () => {
      lost = tf.ones([3]);
      tf.add(lost, 1).dispose();
    };
    expect(await withFailingKernel(1, () => work())).toEqual({ calls: 1, failed: true });
    expect(held()).not.toEqual(before);
    lost!.dispose();
    expect(held()).toEqual(before);
  });
});
