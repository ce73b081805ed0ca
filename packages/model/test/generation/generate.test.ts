import * as tf from '@tensorflow/tfjs-core';
import { SeededRandom } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import { openEngine } from '../../src/engine/index.js';
import { generate, sampleToken } from '../../src/generation/index.js';
import { LikelihoodOrder } from '../../src/generation/likelihood-order.js';
import type { CausalLM } from '../../src/causal-lm/index.js';
import { randomModel } from '../causal-lm/random-model.js';

beforeAll(() => openEngine('cpu'));

/** The most likely next token, by the log-prob of every candidate: no key-value cache involved. */
async function greedyWithoutCache(model: CausalLM, prompt: Int32Array, steps: number): Promise<number[]> {
  const ids: number[] = [];
  const candidates = Array.from({ length: model.config.vocabSize }, (_, id) => Int32Array.of(id));
  for (let step = 0; step < steps; step++) {
    const [logps] = await model.logps([{ prompt: Int32Array.of(...prompt, ...ids), responses: candidates }]);
    const values = logps!.map((list) => list[0]!);
    ids.push(values.indexOf(Math.max(...values)));
  }
  return ids;
}

describe('generate', () => {
  it('equals greedy decoding without a cache, for prompts of different lengths in one batch', async () => {
    const model = await randomModel();
    const prompts = [Int32Array.of(3), Int32Array.of(5, 9, 11, 2, 30, 1), Int32Array.of(7, 7, 8)];
    const before = tf.memory().numTensors;
    const texts = await generate(model, prompts, { maxNewTokens: 8, stopIds: [] });
    expect(tf.memory().numTensors).toBe(before);
    for (const [i, prompt] of prompts.entries()) {
      expect([...texts[i]!]).toEqual(await greedyWithoutCache(model, prompt, 8));
    }
    model.dispose();
  });

  it('ends at a stop token and leaves it out', async () => {
    const model = await randomModel();
    const [free] = await generate(model, [Int32Array.of(3)], { maxNewTokens: 8, stopIds: [] });
    const stop = free![4]!;
    const [stopped] = await generate(model, [Int32Array.of(3)], { maxNewTokens: 8, stopIds: [stop] });
    expect([...stopped!]).toEqual([...free!].slice(0, [...free!].indexOf(stop)));
    model.dispose();
  });

  it('samples the same whatever the batch size, and differently for another seed', async () => {
    const model = await randomModel();
    const prompts = Array.from({ length: 5 }, (_, i) => Int32Array.of(i, 2 * i + 1));
    const run = (batchSize: number, seed: number) =>
      generate(model, prompts, {
        maxNewTokens: 6,
        stopIds: [],
        sampling: { temperature: 1, topK: 0, topP: 1 },
        seed,
        batchSize,
      });
    expect(await run(2, 1)).toEqual(await run(5, 1));
    expect(await run(5, 1)).not.toEqual(await run(5, 2));
    model.dispose();
  });
});

describe('sampleToken', () => {
  const logits = Float32Array.from([0.1, 0.6, 0.3], Math.log);
  const shares = (options: { topK?: number; topP?: number; temperature?: number }) => {
    const random = new SeededRandom(4);
    const hits = [0, 0, 0];
    for (let i = 0; i < 6000; i++) {
      hits[sampleToken(logits, { temperature: 1, topK: 0, topP: 1, ...options }, random)]!++;
    }
    return hits.map((hit) => hit / 6000);
  };
  const near = (found: number[], expected: number[]) =>
    found.forEach((share, i) => expect(Math.abs(share - expected[i]!)).toBeLessThan(0.025));

  it('draws by probability, within top-k, within top-p, and sharper when colder', () => {
    near(shares({}), [0.1, 0.6, 0.3]);
    near(shares({ topK: 2 }), [0, 2 / 3, 1 / 3]);
    near(shares({ topP: 0.55 }), [0, 1, 0]);
    near(shares({ topP: 0.7 }), [0, 2 / 3, 1 / 3]);
    near(shares({ temperature: 0.5 }), [0.01 / 0.46, 0.36 / 0.46, 0.09 / 0.46]);
    near(shares({ temperature: 0 }), [0, 1, 0]);
  });
});

describe('LikelihoodOrder', () => {
  it('orders as a comparison of logits does, ties by the lower id, however far it is asked', () => {
    const random = new SeededRandom(3);
    for (const scale of [1e-40, 1, 30, 3e38]) {
      const logits = Float32Array.from(
        { length: 997 },
        (_, i) => (i % 7 === 0 ? 0 : random.next() - 0.5) * scale,
      );
      logits.set([-0, 0, -0, -Infinity, logits[10]!], 20);
      const expected = Int32Array.from(logits.keys()).sort((a, b) => {
        const [x, y] = [logits[a]!, logits[b]!];
        return x === y ? a - b : y - x;
      });
      const order = new LikelihoodOrder(logits);
      expect(order.at(0)).toBe(expected[0]);
      expect(order.first(50)).toEqual(expected.subarray(0, 50));
      expect(order.at(996)).toBe(expected[996]);
      expect(order.first(997)).toEqual(expected);
      expect(new LikelihoodOrder(logits.map((logit) => -logit)).first(997)).not.toEqual(expected);
    }
  });
});
