/**
 * Products of float32 matrices on the wasm engine: tfjs's own kernel (XNNPACK) beside this package's, calls interleaved, the
 * best of each.
 *
 *   npm run build
 *   node bench/wasm-matmul.mjs
 */
import { performance } from 'node:perf_hooks';
import '@tensorflow/tfjs-backend-wasm';
import { getKernel } from '@tensorflow/tfjs-core';
import { openEngine } from '@selective-dpo/model';

const stock = getKernel('BatchMatMul', 'wasm').kernelFunc;
const { tf } = await openEngine('wasm');
const backend = tf.backend();
const own = getKernel('BatchMatMul', 'wasm').kernelFunc;

const ROUNDS = 60;
/** Rows of a, columns of b, summands: the demo's largest products, a long one and a single row. */
const SIZES = [
  [1152, 512, 96],
  [1152, 96, 512],
  [512, 96, 1152],
  [64, 512, 96],
  [80, 24, 80],
  [1, 512, 96],
];

for (const [m, n, k] of SIZES) {
  for (const [transposeA, transposeB] of [
    [false, false],
    [false, true],
    [true, false],
  ]) {
    // The stock kernel wants stacks.
    const a = tf.randomNormal([1, ...(transposeA ? [k, m] : [m, k])]);
    const b = tf.randomNormal([1, ...(transposeB ? [n, k] : [k, n])]);
    const best = [stock, own].map(() => Infinity);
    for (let round = 0; round < ROUNDS; round++) {
      [stock, own].forEach((kernel, which) => {
        const began = performance.now();
        const out = kernel({ inputs: { a, b }, backend, attrs: { transposeA, transposeB } });
        best[which] = Math.min(best[which], performance.now() - began);
        backend.disposeData(out.dataId);
      });
    }
    tf.dispose([a, b]);
    const [before, now] = best.map((ms) => (2 * m * n * k) / ms / 1e6);
    const name = `${transposeA ? 'aᵀ' : 'a'} ${transposeB ? 'bᵀ' : 'b'}  m ${m}, n ${n}, k ${k}`;
    console.log(
      `${name.padEnd(34)} ${before.toFixed(1).padStart(6)} → ${now.toFixed(1).padStart(5)} GFLOP/s`,
    );
  }
}
