import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { openEngine, runFused } from '../../src/engine/index.js';
import { describeFusedKernels } from './fused-kernels-suite.js';
import { tensorflowSkipped, titled } from './tensorflow-available.js';

describeFusedKernels('tensorflow', titled('tensorflow'), tensorflowSkipped !== undefined);

// Damaged weights are noticed by log-probs that are no numbers: no kernel may swallow one.
describe.skipIf(tensorflowSkipped !== undefined)(titled('numbers that are none, on tensorflow'), () => {
  /** Whether any value of a kernel's first output is not finite, with `bad` at one place of an input. */
  async function isNoticed(kernel: (bad: number) => tf.Tensor[], bad: number): Promise<boolean> {
    await openEngine('tensorflow');
    const [output] = tf.tidy(() => kernel(bad).slice(0, 1));
    const values = [...(await output!.data())];
    output!.dispose();
    return values.some((value) => !Number.isFinite(value));
  }
  /** Ones but for one place in the middle. */
  const spoiled = (shape: [number, number], bad: number): tf.Tensor => {
    const values = new Float32Array(shape[0] * shape[1]).fill(1);
    values[values.length >> 1] = bad;
    return tf.tensor2d(values, shape);
  };
  const kernels: Record<string, (bad: number) => tf.Tensor[]> = {
    SdpoRmsNorm: (bad) =>
      runFused('SdpoRmsNorm', { x: spoiled([3, 70], bad), weight: tf.ones([70]) }, { epsilon: 1e-5 }),
    SdpoSwiglu: (bad) => runFused('SdpoSwiglu', { gateUp: spoiled([3, 70], bad) }, {}),
    SdpoTokenLogps: (bad) =>
      runFused(
        'SdpoTokenLogps',
        { logits: spoiled([3, 70], bad), targets: tf.tensor1d([1, 2, 3], 'int32') },
        {},
      ),
    SdpoSquaredSum: (bad) => runFused('SdpoSquaredSum', { x: spoiled([3, 70], bad) }, {}),
    SdpoAttention: (bad) =>
      runFused(
        'SdpoAttention',
        {
          joint: spoiled([5, 24], bad),
          ...{ cos: tf.ones([5, 1, 4]), sin: tf.zeros([5, 1, 4]) },
          segments: tf.tensor2d([0, 2, 0, 0, 2, 3, 0, 2], [2, 4], 'int32'),
        },
        { heads: 1, kvHeads: 1, headDim: 8 },
      ),
  };

  it('no segments at all are refused', async () => {
    await openEngine('tensorflow');
    tf.tidy(() => {
      const inputs = {
        ...{ joint: tf.zeros([4, 24]), cos: tf.zeros([4, 1, 4]), sin: tf.zeros([4, 1, 4]) },
        segments: tf.zeros([0, 4], 'int32'),
      };
      expect(() => runFused('SdpoAttention', inputs, { heads: 1, kvHeads: 1, headDim: 8 })).toThrow(
        'do not fit',
      );
    });
  });

  it.each(Object.keys(kernels))('%s hands NaN on, and gives numbers for numbers', async (name) => {
    expect(await isNoticed(kernels[name]!, NaN)).toBe(true);
    expect(await isNoticed(kernels[name]!, 2)).toBe(false);
  });
});
