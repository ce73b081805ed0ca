import * as tf from '@tensorflow/tfjs-core';
import { InputError, SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it, vi } from 'vitest';
import { CausalLM } from '../../src/causal-lm/index.js';
import { openEngine } from '../../src/engine/index.js';
import {
  ContinuousBatch,
  GREEDY,
  rankedLogps,
  type BatchLimits,
  type SequenceRequest,
} from '../../src/generation/index.js';
import { CACHE_BLOCK } from '../../src/generation/key-value-cache.js';
import { randomModel } from '../causal-lm/random-model.js';
import { enginesToTest } from '../engines-to-test.js';
import { shared, sharedJson } from '../shared-data.js';

const NEVER: ReadonlySet<number> = new Set();
const request = (prompt: Int32Array, maxNewTokens: number, rest: Partial<SequenceRequest> = {}) => ({
  ...{ prompt, maxNewTokens, stopIds: NEVER, sampling: GREEDY, random: new SeededRandom(0) },
  ...rest,
});

/** The most likely next token from a whole pass over everything so far: no cache involved. */
async function uncached(model: CausalLM, prompt: Int32Array, steps: number): Promise<number[]> {
  const ids = [...prompt];
  for (let step = 0; step < steps; step++) {
    const sequence = { prompt: Int32Array.from(ids), responses: [Int32Array.of(0)] };
    const { top } = await model.mostLikely([sequence], 1);
    ids.push(top[0]![0]!.ids[0]!);
  }
  return ids.slice(prompt.length);
}

/** Prompts and answers of very different lengths: some pass the ends of cache blocks, prompts enter while others are at work. */
const SHAPES: [promptTokens: number, newTokens: number][] = [
  [1, 9],
  [CACHE_BLOCK + 6, 3],
  [5, CACHE_BLOCK + 2],
  [CACHE_BLOCK, 2],
  [3, 1],
  [CACHE_BLOCK - 1, 5],
];

describe.each(enginesToTest('tensorflow', 'wasm', 'cpu'))('a continuous batch on %s', (engine) => {
  async function generateAll(
    model: CausalLM,
    prompts: Int32Array[],
    limits: BatchLimits,
  ): Promise<number[][]> {
    const batch = new ContinuousBatch(model, limits);
    const all = prompts.map((prompt, i) => batch.generate(request(prompt, SHAPES[i]![1])));
    return (await Promise.all(all)).map(({ tokens }) => [...tokens]);
  }

  it('tells everybody of a pass that fails, that of the prompts included, and works again', async () => {
    await openEngine(engine);
    const model = await randomModel();
    const before = tf.memory().numTensors;
    const batch = new ContinuousBatch(model, { maxSequences: 2 });
    const failing = vi.spyOn(model, 'layerContext').mockImplementationOnce(() => {
      throw new Error('no memory');
    });
    const three = [1, 2, 3].map((id) => batch.generate(request(Int32Array.of(id), 2)));
    for (const one of three) await expect(one).rejects.toThrow('no memory');
    failing.mockRestore();
    expect(batch.load).toEqual({ running: 0, waiting: 0 });
    expect((await batch.generate(request(Int32Array.of(1), 2))).tokens).toHaveLength(2);
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  it('gives what a whole pass for every token gives, whatever the batch', async () => {
    await openEngine(engine);
    const model = await randomModel();
    const random = new SeededRandom(8);
    const prompts = SHAPES.map(([length]) => Int32Array.from({ length }, () => random.below(37)));
    const expected: number[][] = [];
    for (const [i, prompt] of prompts.entries()) expected.push(await uncached(model, prompt, SHAPES[i]![1]));
    const before = tf.memory().numTensors;
    for (const limits of [{}, { maxSequences: 2 }, { maxCacheBytes: 1 }, { maxPromptTokens: 8 }]) {
      expect(await generateAll(model, prompts, limits)).toEqual(expected);
      expect(tf.memory().numTensors).toBe(before);
    }
    // Negative control: other prompts, other answers.
    const others = prompts.map((prompt) => prompt.map((id) => (id + 1) % 37));
    expect(await generateAll(model, others, {})).not.toEqual(expected);
    model.dispose();
  });

  it('drops what is aborted, running or waiting, and leaves the others and no tensor behind', async () => {
    await openEngine(engine);
    const model = await randomModel();
    const before = tf.memory().numTensors;
    const batch = new ContinuousBatch(model, { maxSequences: 2 });
    const [running, waiting] = [new AbortController(), new AbortController()];
    let count = 0;
    const aborted = batch.generate(
      request(Int32Array.of(3), 50, {
        signal: running.signal,
        onToken: () => {
          if (++count === 4)
            [running, waiting].forEach((controller) => controller.abort(new Error('enough')));
          return false;
        },
      }),
    );
    const other = batch.generate(request(Int32Array.of(5, 9), 12));
    const never = batch.generate(request(Int32Array.of(5, 9), 12, { signal: waiting.signal }));
    const last = batch.generate(request(Int32Array.of(7, 7, 8), 6));
    await expect(aborted).rejects.toThrow('enough');
    await expect(never).rejects.toThrow('enough');
    expect(count).toBe(4);
    expect([...(await other).tokens]).toEqual(await uncached(model, Int32Array.of(5, 9), 12));
    expect([...(await last).tokens]).toEqual(await uncached(model, Int32Array.of(7, 7, 8), 6));
    expect(tf.memory().numTensors).toBe(before);
    expect(batch.load).toEqual({ running: 0, waiting: 0 });
    // A batch that has come to rest takes up work again.
    expect((await batch.generate(request(Int32Array.of(3), 2))).tokens).toHaveLength(2);
    model.dispose();
  });

  it('refuses weights that give no numbers, tells everybody, and holds nothing afterwards', async () => {
    await openEngine(engine);
    const model = await randomModel();
    model.parameters.assign('norm', tf.fill([24], NaN));
    const before = tf.memory().numTensors;
    const batch = new ContinuousBatch(model, { maxSequences: 1 });
    const both = [1, 2].map((id) => batch.generate(request(Int32Array.of(id), 3)));
    for (const one of await Promise.allSettled(both)) {
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'model-not-finite' } });
      expect((one as PromiseRejectedResult).reason).toBeInstanceOf(InputError);
    }
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });
});

describe.each(enginesToTest('tensorflow', 'wasm'))('stories260K on %s', (engine) => {
  it.skipIf(shared === undefined)(
    'the 200 ids of the oracle, in a batch that begins them at different moments',
    async () => {
      await openEngine(engine);
      const model = await CausalLM.load(`${shared}/models/stories260K`);
      const { ids } = sharedJson<{ greedy_from_bos: { ids: number[] } }>(
        'models/stories260K/oracle.json',
      ).greedy_from_bos;
      const batch = new ContinuousBatch(model);
      const lengths = [1, 2, 30, 65, 100];
      const all = lengths.map((length) =>
        batch.generate(request(Int32Array.from(ids.slice(0, length)), ids.length - length)),
      );
      for (const [i, { tokens }] of (await Promise.all(all)).entries()) {
        expect([...tokens]).toEqual(ids.slice(lengths[i]));
      }
      model.dispose();
    },
  );
});

describe('rankedLogps', () => {
  it('gives the log-probs that the scorer gives', async () => {
    await openEngine('cpu');
    const model = await randomModel();
    const prompt = Int32Array.of(3, 14, 15);
    const batch = new ContinuousBatch(model);
    const ranked: ReturnType<typeof rankedLogps>[] = [];
    const { tokens } = await batch.generate(
      request(prompt, 6, {
        onToken: (id, logits) => {
          ranked.push(rankedLogps(logits, id, 3));
          return false;
        },
      }),
    );
    const { logps, top } = await model.mostLikely([{ prompt, responses: [tokens] }], 3);
    ranked.forEach(({ id, logp, top: own }, i) => {
      expect(id).toBe(tokens[i]);
      expect(Math.abs(logp - logps[0]![0]![i]!)).toBeLessThan(1e-4);
      expect([...own.ids]).toEqual([...top[0]![0]!.ids.subarray(3 * i, 3 * i + 3)]);
      expect(own.logps[0]).toBe(logp);
      expect(own.logps[1]!).toBeLessThan(logp);
    });
    model.dispose();
  });
});

describe('ContinuousBatch.generate', () => {
  it('refuses a prompt without tokens and ids outside the vocabulary', async () => {
    await openEngine('cpu');
    const model = await randomModel();
    const batch = new ContinuousBatch(model);
    for (const prompt of [[], [37], [-1]]) {
      expect(() => batch.generate(request(Int32Array.from(prompt), 1))).toThrow(RangeError);
    }
    expect((await batch.generate(request(Int32Array.of(36), 0))).tokens).toHaveLength(0);
    model.dispose();
  });
});
