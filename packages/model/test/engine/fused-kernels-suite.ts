import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  hasFused,
  openEngine,
  runFused,
  withoutFusedKernels,
  type EngineName,
  type FusedKernelName,
} from '../../src/engine/index.js';
import { packBatch, type SharedPromptSequence } from '../../src/causal-lm/index.js';
import { swiglu, swigluGradient } from '../../src/causal-lm/decoder-layer.js';
import { headLogps, headLogpsGradient } from '../../src/causal-lm/head-logps.js';
import { squaredSum } from '../../src/training/index.js';
import { rmsNorm, rmsNormGradient } from '../../src/causal-lm/rms-norm.js';
import { rotaryTables } from '../../src/causal-lm/rotary-embedding.js';
import {
  attentionLayout,
  batchAttention,
  batchAttentionGradient,
} from '../../src/causal-lm/shared-prompt-attention.js';
import { FUSED_CASES, fusedInput } from './fused-inputs.js';
import { randomSequences } from '../causal-lm/random-model.js';

const NAMES: FusedKernelName[] = [
  'SdpoRmsNorm',
  'SdpoRmsNormGradient',
  'SdpoSwiglu',
  'SdpoSwigluGradient',
  'SdpoAttention',
  'SdpoAttentionGradient',
  'SdpoTokenLogps',
  'SdpoTokenLogpsGradient',
  'SdpoSquaredSum',
];

function random(shape: [number] | [number, number], seed: number, scale = 1): tf.Tensor2D {
  return tf.randomNormal(shape as [number, number], 0, scale, 'float32', seed) as tf.Tensor2D;
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

/** Fused against plain: every output within `tolerance`, and not because all of them are 0. */
async function compare(compute: () => tf.Tensor[], tolerance: number): Promise<void> {
  const tensors = tf.memory().numTensors;
  const outputs = tf.tidy(() => ({ fused: compute(), plain: withoutFusedKernels(compute) }));
  for (const [i, output] of outputs.fused.entries()) {
    expect(output.shape).toEqual(outputs.plain[i]!.shape);
    const [fused, plain] = [await output.data(), await outputs.plain[i]!.data()];
    expect(largestDifference(fused, plain), `output ${i}`).toBeLessThan(tolerance);
    // The check can fail: the same values one place on are far away.
    const shifted = [...fused.slice(1), fused[0]!];
    expect(largestDifference(shifted, fused), `output ${i}`).toBeGreaterThan(100 * tolerance);
  }
  tf.dispose(outputs);
  expect(tf.memory().numTensors).toBe(tensors);
}

/** Compares every fused kernel of an engine with the plain ops on the same engine. */
export function describeFusedKernels(engine: EngineName, title: string = engine, skipped = false): void {
  describe.skipIf(skipped)(`fused kernels on ${title}`, () => {
    beforeAll(() => openEngine(engine));

    it.each(NAMES)('%s is there, and is not used where plain ops are asked for', (name) => {
      expect(hasFused(name)).toBe(true);
      expect(withoutFusedKernels(() => hasFused(name))).toBe(false);
    });

    it.each([
      [1, 1],
      [3, 8],
      [70, 64],
      [130, 577],
    ])('RMSNorm and its gradient, [%i, %i]', async (n, width) => {
      const [x, dy] = [random([n, width], 1), random([n, width], 2)];
      const weight = random([width], 3) as unknown as tf.Tensor1D;
      if (n * width > 1) {
        await compare(() => [rmsNorm(x, weight, 1e-5)], 1e-5);
        await compare(() => {
          const { dx, dWeight } = rmsNormGradient(x, weight, 1e-5, dy);
          return [dx, dWeight];
        }, 4e-5);
      } else {
        expect(rmsNorm(x, weight, 1e-5).shape).toEqual([1, 1]);
      }
      tf.dispose([x, dy, weight]);
    });

    it.each([
      [2, 4],
      [3, 20],
      [65, 1536],
    ])('SwiGLU and its gradient, [%i, 2 × %i]', async (n, width) => {
      const [gateUp, dActivated] = [random([n, 2 * width], 1, 5), random([n, width], 2)];
      await compare(() => [swiglu(gateUp)], 1e-4);
      await compare(() => {
        const { dGateUp, activated } = swigluGradient(gateUp, dActivated);
        return [dGateUp, activated];
      }, 1e-4);
      tf.dispose([gateUp, dActivated]);
    });

    it('SwiGLU of gates so large that e^x leaves float32', async () => {
      const activated = tf.tidy(() => swiglu(tf.tensor2d([[-1e4, -90, 90, 1e4, 1, 1, 1, 1]])));
      const values = await activated.data();
      expect([...values].map((value) => Math.abs(value))).toEqual([0, expect.closeTo(0, 6), 90, 1e4]);
      activated.dispose();
    });

    it.each([
      [5, 7],
      [65, 1003],
    ])('log-probs of tokens and their gradient, %i rows, vocabulary %i', async (rows, vocabulary) => {
      const [hidden, weight] = [random([rows, 16], 1), random([vocabulary, 16], 2)];
      const targets = Int32Array.from({ length: rows }, (_, i) => (i * 31) % vocabulary);
      const coefficients = Float32Array.from({ length: rows }, (_, i) => (i % 3 === 0 ? 0 : Math.sin(i)));
      await compare(() => {
        const { logps, logSumExp } = headLogps(hidden, weight, targets, 32);
        return [logps, logSumExp];
      }, 2e-5);
      await compare(() => {
        const { logSumExp } = headLogps(hidden, weight, targets, 32);
        const { dHidden, dWeight } = headLogpsGradient(hidden, weight, targets, logSumExp, coefficients, 32)!;
        return [dHidden, dWeight];
      }, 2e-5);
      tf.dispose([hidden, weight]);
    });

    it.each([1, 77, 200_000])('sums of squares, %i numbers', async (count) => {
      const [x, y] = [tf.fill([count], 3), random([count], 5)];
      const [ofX, ofY] = [squaredSum(x), squaredSum(y)];
      expect((await ofX.data())[0]).toBe(9 * count);
      const exact = (await y.data<'float32'>()).reduce((sum, value) => sum + value * value, 0);
      expect((await ofY.data())[0]! / exact).toBeCloseTo(1, 6);
      tf.dispose([x, y, ofX, ofY]);
    });

    describe('attention', () => {
      const lengths: [number, number, number][] = [
        [37, 41, 30],
        [8, 160, 3],
        [1, 1, 1],
        [120, 49, 47],
      ];
      const sequences: SharedPromptSequence[] = randomSequences(lengths, 37);

      it.each([
        [2, 2, 8],
        [6, 2, 24],
        [3, 1, 64],
        [2, 1, 80],
      ])('and its gradient, %i heads, %i key-value heads of %i', async (heads, kvHeads, headDim) => {
        const shape = { heads, kvHeads, headDim };
        const batch = packBatch([...sequences, { prompt: Int32Array.of(1, 2, 3), responses: [] }]);
        const frequencies = Float64Array.from({ length: headDim / 2 }, (_, i) => 0.3 ** i);
        const rotary = rotaryTables(frequencies, batch.positions);
        const joint = random([batch.rows, (heads + 2 * kvHeads) * headDim], 1);
        const rows = tf.tensor2d(
          Float32Array.from(batch.positions, (_, i) => (i < batch.tokens ? 1 : 0)),
          [batch.rows, 1],
        );
        const dAttended = tf.mul(random([batch.rows, heads * headDim], 2), rows) as tf.Tensor2D;
        await compare(() => {
          const context = { shape, rotary, layout: attentionLayout(batch, false) };
          const { attended, saved } = batchAttention(joint, context, true);
          return [attended, batchAttentionGradient(saved!, attended, dAttended, context)];
        }, 2e-5);
        tf.dispose([rotary.cos, rotary.sin, joint, rows, dAttended]);
      });

      it('refuses segments that leave the rows, and rows of another width', () => {
        const inputs = (segments: number[], columns: number) => ({
          joint: tf.zeros([4, columns]),
          cos: tf.zeros([4, 1, 2]),
          sin: tf.zeros([4, 1, 2]),
          segments: tf.tensor2d(segments, [segments.length / 4, 4], 'int32'),
        });
        const run = (segments: number[], columns = 12) =>
          tf.tidy(() => {
            runFused('SdpoAttention', inputs(segments, columns), { heads: 1, kvHeads: 1, headDim: 4 });
          });
        run([0, 2, 0, 0, 2, 2, 0, 2]);
        for (const wrong of [
          [0, 5, 0, 0],
          [0, 2, 0, 0, 2, 3, 0, 2],
          [1, 2, 1, 0],
          [0, 2, 0, 2],
          [0, 2, 0, 0, 2, 2, 0, 1],
          [0, 0, 0, 0],
          [0, -1, 0, 0],
        ]) {
          expect(() => run(wrong)).toThrow('SdpoAttention');
        }
        expect(() => run([0, 2, 0, 0], 16)).toThrow('SdpoAttention');
      });
    });

    it.each(NAMES)('%s refuses inputs that do not fit each other, and other types', (name) => {
      const { attributes, fitting, wrong } = FUSED_CASES[name];
      const run = (change: [input: string, tensor: tf.Tensor][] = []) => {
        const inputs = Object.entries(fitting).map(([input, shape]) => [input, fusedInput(input, shape)]);
        const given = { ...Object.fromEntries(inputs), ...Object.fromEntries(change) };
        runFused(name, given as never, attributes as never);
      };
      tf.tidy(() => {
        run();
        for (const [input, shape] of wrong) {
          expect(() => run([[input, fusedInput(input, shape)]]), `${input} [${shape}]`).toThrow(name);
        }
        for (const [input, shape] of Object.entries(fitting)) {
          expect(() => run([[input, tf.zeros(shape, 'bool')]]), `${input} of another type`).toThrow();
        }
      });
    });

    it('refuses a target outside the vocabulary', () => {
      const run = (target: number) =>
        tf.tidy(() => {
          runFused(
            'SdpoTokenLogps',
            { logits: tf.zeros([1, 3]), targets: tf.tensor1d([target], 'int32') },
            {},
          );
        });
      run(2);
      expect(() => run(3)).toThrow('SdpoTokenLogps');
      expect(() => run(-1)).toThrow('SdpoTokenLogps');
    });
  });
}
