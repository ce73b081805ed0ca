import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEngine } from '../../src/engine/index.js';
import { packBatch, type CausalLM, type SharedPromptSequence } from '../../src/causal-lm/index.js';
import { decoderLayerBackward, decoderLayerForward } from '../../src/causal-lm/decoder-layer.js';
import type { LayerParameters } from '../../src/causal-lm/parameters.js';
import { headLogps, headLogpsGradient } from '../../src/causal-lm/head-logps.js';
import { enginesToTest } from '../engines-to-test.js';
import { randomModel, randomSequences } from './random-model.js';

const sequences = randomSequences(
  [
    [5, 4, 6],
    [7, 3, 2],
    [6, 5, 4],
    [20, 1, 2],
  ],
  37,
);
const LLAMA_WITH_BIASES = { attention_bias: true, mlp_bias: true, tie_word_embeddings: false };

function largestDifference(a: tf.Tensor, b: tf.Tensor): number {
  return tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!);
}

/** Coefficients that differ from token to token; some are exactly zero. */
function unevenWeights(logps: Float32Array[][]): Float32Array[][] {
  return logps.map((lists, s) =>
    lists.map((list, r) =>
      list.map((_, t) => ((s + 2 * r + t) % 3 === 0 ? 0 : Math.sin(1 + s + 3 * r + 5 * t))),
    ),
  );
}

function weightedSum(logps: Float32Array[][], weights: Float32Array[][]): number {
  let sum = 0;
  logps.forEach((lists, s) =>
    lists.forEach((list, r) => list.forEach((v, t) => (sum += v * weights[s]![r]![t]!))),
  );
  return sum;
}

describe('gradients by hand', () => {
  beforeAll(() => openEngine('cpu'));

  describe.each([
    ['Llama', {}],
    ['Llama with biases and an untied head', LLAMA_WITH_BIASES],
  ])('%s', (_, change) => {
    let model: CausalLM;
    beforeAll(async () => {
      model = await randomModel(change);
    });
    afterAll(() => model.dispose());

    it.each([
      ['side by side', {}],
      ['in tiles', { tiledFrom: 12, tileQueries: 3 }],
    ])("agree with the tape's through one decoder layer, sequences %s", (_, limits) => {
      const batch = packBatch(sequences, limits);
      const context = model.layerContext(batch);
      const parameters = model.parameters.layer(0);
      const names = (Object.keys(parameters) as (keyof LayerParameters)[]).filter(
        (n) => parameters[n] !== undefined,
      );
      const x = tf.randomNormal([batch.rows, 24], 0, 1, 'float32', 3) as tf.Tensor2D;
      const dy = tf.randomNormal([batch.rows, 24], 0, 1, 'float32', 4) as tf.Tensor2D;
      const viaTape = tf.grads((input: tf.Tensor, ...values: tf.Tensor[]) => {
        const given = { ...parameters, ...Object.fromEntries(names.map((name, i) => [name, values[i]])) };
        return decoderLayerForward(input as tf.Tensor2D, given, context).y;
      })([x, ...names.map((name) => parameters[name]!)], dy);
      const { saved } = decoderLayerForward(x, parameters, context);
      const { dx, gradients } = decoderLayerBackward(saved, parameters, context, dy);
      const byHand = [dx, ...names.map((name) => gradients[name]!)];
      byHand.forEach((gradient, i) => {
        expect(gradient.shape).toEqual(viaTape[i]!.shape);
        expect(largestDifference(gradient, viaTape[i]!), ['x', ...names][i]).toBeLessThan(2e-5);
      });
      // The check can fail: another gradient is far away.
      expect(largestDifference(dx, tf.mul(viaTape[0]!, 1.01))).toBeGreaterThan(1e-3);
    });

    it('agree with finite differences through the whole model, for some of every parameter', async () => {
      let weights: Float32Array[][] = [];
      const { gradients } = await model.forwardBackward(
        sequences,
        (logps) => (weights = unevenWeights(logps)),
      );
      for (const spec of model.parameters.specs) {
        const gradient = (await gradients.get(spec.name)!.data()) as Float32Array;
        const original = ((await model.parameters.get(spec.name).data()) as Float32Array).slice();
        // The steepest entry, where rounding matters least.
        const at = gradient.reduce((best, g, i) => (Math.abs(g) > Math.abs(gradient[best]!) ? i : best), 0);
        const step = 2 ** -7;
        const value = async (shift: number): Promise<number> => {
          const moved = original.slice();
          moved[at]! += shift;
          model.parameters.assign(spec.name, tf.tensor(moved, spec.shape));
          return weightedSum(await model.logps(sequences), weights);
        };
        const slope = ((await value(step)) - (await value(-step))) / (2 * step);
        model.parameters.assign(spec.name, tf.tensor(original, spec.shape));
        expect(Math.abs(slope - gradient[at]!), spec.name).toBeLessThan(
          0.02 * Math.abs(gradient[at]!) + 0.01,
        );
      }
      gradients.forEach((g) => g.dispose());
    });

    it('of a layer asked for some rows are those of the whole layer', () => {
      tf.tidy(() => {
        const batch = packBatch(sequences);
        const context = model.layerContext(batch);
        const parameters = model.parameters.layer(1);
        const asked = [3, 8, 8, 20, 31];
        const kept = [1, 2, 4];
        const index = (values: number[]) => tf.tensor1d(values, 'int32');
        const rows = kept.map((i) => asked[i]!);
        const scatter = (values: tf.Tensor2D) =>
          tf.unsortedSegmentSum(values, index(rows), batch.rows) as tf.Tensor2D;
        const x = tf.randomNormal([batch.rows, 24], 0, 1, 'float32', 3) as tf.Tensor2D;
        const dy = tf.randomNormal([kept.length, 24], 0, 1, 'float32', 4) as tf.Tensor2D;
        const whole = decoderLayerForward(x, parameters, context);
        const some = decoderLayerForward(x, parameters, context, index(asked));
        expect(largestDifference(some.y, tf.gather(whole.y, index(asked)))).toBeLessThan(1e-6);
        const expected = decoderLayerBackward(whole.saved, parameters, context, scatter(dy));
        const found = decoderLayerBackward(some.saved, parameters, context, dy, {
          places: index(kept),
          rows: index(rows),
          scatter,
        });
        expect(largestDifference(found.dx, expected.dx)).toBeLessThan(1e-5);
        for (const [name, gradient] of Object.entries(expected.gradients)) {
          if (gradient === undefined) continue;
          const own = found.gradients[name as keyof LayerParameters]!;
          expect(largestDifference(own, gradient), name).toBeLessThan(2e-5);
          // The check can fail: no gradient is all zeros.
          expect(largestDifference(own, tf.zerosLike(own)), name).toBeGreaterThan(1e-3);
        }
      });
    });

    it('are the same bits whether activations are kept or computed anew', async () => {
      const kept = await model.forwardBackward(sequences, unevenWeights, { activations: 'keep' });
      const anew = await model.forwardBackward(sequences, unevenWeights, { activations: 'recompute' });
      expect([...kept.gradients.keys()].sort()).toEqual(model.parameters.specs.map((s) => s.name).sort());
      for (const [name, gradient] of kept.gradients) {
        expect(largestDifference(gradient, anew.gradients.get(name)!)).toBe(0);
      }
    });

    it('leave no tensor behind, also when the loss throws', async () => {
      const before = tf.memory().numTensors;
      const { gradients } = await model.forwardBackward(sequences, unevenWeights);
      gradients.forEach((g) => g.dispose());
      expect(tf.memory().numTensors).toBe(before);
      const failing = model.forwardBackward(sequences, () => {
        throw new Error('loss');
      });
      await expect(failing).rejects.toThrow('loss');
      expect(tf.memory().numTensors).toBe(before);
      await model.logps(sequences);
      expect(tf.memory().numTensors).toBe(before);
      const { gradients: given } = await model.forwardBackward(sequences, unevenWeights);
      const wrong = [{ prompt: new Int32Array(0), responses: [] }];
      await expect(model.forwardBackward(wrong, unevenWeights, { gradients: given })).rejects.toThrow(
        'prompt',
      );
      expect(tf.memory().numTensors).toBe(before);
      const nothing = await model.forwardBackward([], unevenWeights);
      expect([nothing.logps.length, nothing.gradients.size]).toEqual([0, 0]);
    });
  });

  it('of the head skip rows with coefficient 0 without changing any bit of the sum', () => {
    tf.tidy(() => {
      const hidden = tf.randomNormal([9, 8], 0, 1, 'float32', 5) as tf.Tensor2D;
      const weight = tf.randomNormal([11, 8], 0, 1, 'float32', 6) as tf.Tensor2D;
      const targets = Int32Array.of(3, 1, 4, 1, 5, 9, 2, 6, 5);
      const { logSumExp } = headLogps(hidden, weight, targets);
      const coefficients = Float32Array.of(0, 1, 0, -2, 0, 0, 0.5, 0, 0);
      const result = headLogpsGradient(hidden, weight, targets, logSumExp, coefficients)!;
      expect(result.kept).toBe(3);
      expect([...result.rows.subarray(0, 4)]).toEqual([1, 3, 6, 1]);
      // The plain version: full log-softmax, gradient by the tape, unkept rows included.
      const plain = tf.grads((h: tf.Tensor, w: tf.Tensor) => {
        const all = tf.logSoftmax(tf.matMul(h, w, false, true));
        const picked = tf.sum(tf.mul(all, tf.oneHot(tf.tensor1d(targets, 'int32'), 11, 1, 0, 'float32')), 1);
        return tf.sum(tf.mul(picked, tf.tensor1d(coefficients)));
      })([hidden, weight]);
      expect(largestDifference(result.dWeight, plain[1]!)).toBeLessThan(1e-6);
      const rows = tf.gather(plain[0]!, tf.tensor1d([1, 3, 6], 'int32'));
      expect(largestDifference(tf.slice2d(result.dHidden, [0, 0], [3, 8]), rows)).toBeLessThan(1e-6);
      expect(
        largestDifference(tf.slice2d(result.dHidden, [3, 0], [-1, 8]), tf.zeros([result.rows.length - 3, 8])),
      ).toBe(0);
      expect(headLogpsGradient(hidden, weight, targets, logSumExp, new Float32Array(9))).toBeUndefined();
    });
  });

  it('of the head do not depend on the chunk size', () => {
    tf.tidy(() => {
      const hidden = tf.randomNormal([9, 8], 0, 1, 'float32', 5) as tf.Tensor2D;
      const weight = tf.randomNormal([11, 8], 0, 1, 'float32', 6) as tf.Tensor2D;
      const targets = Int32Array.of(3, 1, 4, 1, 5, 9, 2, 6, 5);
      const ones = new Float32Array(9).fill(1);
      const run = (rows: number) => {
        const forward = headLogps(hidden, weight, targets, rows);
        return { ...forward, ...headLogpsGradient(hidden, weight, targets, forward.logSumExp, ones, rows)! };
      };
      const [whole, cut] = [run(100), run(2)];
      expect(largestDifference(whole.logps, cut.logps)).toBe(0);
      expect(largestDifference(whole.dHidden, cut.dHidden)).toBe(0);
      expect(largestDifference(whole.dWeight, cut.dWeight)).toBeLessThan(1e-6);
    });
  });
});

describe('attention in tiles', () => {
  it.each(enginesToTest('tensorflow', 'wasm', 'cpu'))(
    'is the plain one, for outputs and gradients, on %s',
    async (name) => {
      await openEngine(name);
      const model = await randomModel({ num_key_value_heads: 2 });
      const long = randomSequences(
        [
          [37, 41, 30],
          [8, 60, 3],
          [5, 4, 6],
        ],
        37,
      );
      const tensors = tf.memory().numTensors;
      tf.tidy(() => {
        const run = (limits: { tiledFrom: number; tileQueries?: number }) => {
          const batch = packBatch(long, limits);
          const context = model.layerContext(batch);
          const x = tf.randomNormal([batch.rows, 24], 0, 1, 'float32', 3) as tf.Tensor2D;
          const dy = tf.randomNormal([batch.rows, 24], 0, 1, 'float32', 4) as tf.Tensor2D;
          const { y, saved } = decoderLayerForward(x, model.parameters.layer(0), context);
          return { y, ...decoderLayerBackward(saved, model.parameters.layer(0), context, dy) };
        };
        const plain = run({ tiledFrom: Infinity });
        for (const tileQueries of [5, 16, 1000]) {
          const tiled = run({ tiledFrom: 20, tileQueries });
          expect(largestDifference(tiled.y, plain.y)).toBeLessThan(2e-6);
          expect(largestDifference(tiled.dx, plain.dx)).toBeLessThan(1e-5);
          expect(largestDifference(tiled.gradients.qkv, plain.gradients.qkv)).toBeLessThan(5e-5);
        }
        // Negative control: the order of a response's tokens matters.
        expect(largestDifference(plain.y, tf.reverse(plain.y, 0))).toBeGreaterThan(0.1);
      });
      expect(tf.memory().numTensors).toBe(tensors);
      model.dispose();
    },
  );
});

describe('exactness of the packed layout', () => {
  beforeAll(() => openEngine('cpu'));

  it('gives each response the log-probs of the plain sequence prompt + response, whatever stands beside it', async () => {
    const model = await randomModel();
    const packed = await model.logps(sequences);
    for (const [i, sequence] of sequences.entries()) {
      for (const [r, response] of (sequence as SharedPromptSequence).responses.entries()) {
        const [alone] = await model.logps([{ prompt: sequence.prompt, responses: [response] }]);
        alone![0]!.forEach((v, t) => expect(Math.abs(v - packed[i]![r]![t]!)).toBeLessThan(5e-6));
      }
    }
    // Negative control: another prompt changes them.
    const [other] = await model.logps([{ prompt: Int32Array.of(1), responses: sequences[0]!.responses }]);
    expect(Math.abs(other![0]![0]! - packed[0]![0]![0]!)).toBeGreaterThan(1e-4);
    model.dispose();
  });
});
