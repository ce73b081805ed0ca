import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { openEngine, runFused } from '../../src/engine/index.js';
import { describeFusedKernels } from './fused-kernels-suite.js';

describeFusedKernels('wasm');

describe('the fused kernels of the wasm engine alone', () => {
  beforeAll(() => openEngine('wasm'));

  /** σ(x) of every x: SwiGLU of gate x and up 1/x. */
  function sigmoid(x: number[]): Float32Array {
    return tf.tidy(() => {
      const gateUp = tf.tensor2d([...x, ...x.map((value) => 1 / value)], [1, 2 * x.length]);
      return runFused('SdpoSwiglu', { gateUp }, {})[0]!.dataSync<'float32'>();
    });
  }

  it('have an exponential function within 3e-7 of the true one, all over the range', () => {
    const x = Array.from({ length: 20_001 }, (_, i) => Math.fround(-80 + i * 0.008 + 1e-4));
    const values = sigmoid(x);
    const worst = Math.max(...x.map((value, i) => Math.abs(values[i]! * (1 + Math.exp(-value)) - 1)));
    expect(worst).toBeLessThan(4e-7);
    // One float32 further on the difference would show.
    expect(Math.abs(values[10_700]! * (1 + Math.exp(-x[10_700]! - 1e-6)) - 1)).toBeGreaterThan(0);
  });

  it('let a NaN through', () => {
    tf.tidy(() => {
      const bad = tf.tensor2d([[NaN, 1, 1, 1, 1, 1, 1, 1]]);
      const weight = tf.ones([8]);
      const outputs = [
        runFused('SdpoSwiglu', { gateUp: bad }, {})[0]!,
        runFused('SdpoRmsNorm', { x: bad, weight }, { epsilon: 1e-5 })[0]!,
        runFused('SdpoSquaredSum', { x: bad }, {})[0]!,
        ...runFused('SdpoTokenLogps', { logits: bad, targets: tf.tensor1d([1], 'int32') }, {}),
      ];
      for (const output of outputs) expect(output.dataSync().some(Number.isNaN)).toBe(true);
    });
  });

  it('go on when the heap has grown and moved', () => {
    const backend = tf.backend() as BackendWasm;
    const x = tf.randomNormal([70, 24], 0, 1, 'float32', 1);
    const compute = () =>
      tf.tidy(() => [
        tf.matMul(x, x, true, false).dataSync(),
        runFused('SdpoSwiglu', { gateUp: x }, {})[0]!.dataSync(),
      ]);
    const before = compute();
    const heap = (): ArrayBufferLike => backend.typedArrayFromHeap(x).buffer;
    const old = heap();
    const large = backend.makeOutput([2 ** 27], 'float32');
    expect(heap()).not.toBe(old);
    expect(compute()).toEqual(before);
    backend.disposeData(large.dataId);
    x.dispose();
  });
});
