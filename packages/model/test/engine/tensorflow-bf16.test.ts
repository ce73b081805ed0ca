import { describe, expect, it } from 'vitest';
import { openEngine } from '../../src/engine/index.js';
import { tensorflowSkipped, titled } from './tensorflow-available.js';

// A file of its own: the precision of a process is fixed when the library loads.
describe.skipIf(tensorflowSkipped !== undefined)(titled('tensorflow with bf16-matmul'), () => {
  it('rounds operands of products, if at all, to bfloat16, and nothing else', async () => {
    const engine = await openEngine('tensorflow', { precision: 'bf16-matmul' });
    const { tf } = engine;
    expect(engine.describe()['precision']).toBe('bf16-matmul');
    const [a, b] = [
      tf.randomUniform([256, 256], 0, 1, 'float32', 1),
      tf.randomUniform([256, 256], 0, 1, 'float32', 2),
    ];
    const product = await engine.readFloats(tf.matMul(a as never, b as never));
    const exact = exactProduct(await engine.readFloats(a), await engine.readFloats(b), 256);
    const error = Math.max(...exact.map((value, i) => Math.abs(product[i]! - value) / value));
    // A bfloat16 has 8 bits: 2⁻⁹ an operand at most, and less on the average of 256.
    expect(error).toBeLessThan(4e-3);
    expect([...(await engine.readFloats(tf.mul(tf.scalar(1.001), 1)))]).toEqual([Math.fround(1.001)]);
  });

  it('is refused by the engines that do not have it', async () => {
    for (const name of ['wasm', 'cpu'] as const) {
      await expect(openEngine(name, { precision: 'bf16-matmul' })).rejects.toMatchObject({
        code: 'engine-precision',
        details: { field: 'precision', expected: 'fp32' },
      });
    }
  });
});

function exactProduct(a: Float32Array, b: Float32Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < n; k++) for (let j = 0; j < n; j++) out[i * n + j]! += a[i * n + k]! * b[k * n + j]!;
  return out;
}
