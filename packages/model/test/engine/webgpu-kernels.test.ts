import { beforeAll, describe, expect, it } from 'vitest';
import { openEngine, type Engine } from '../../src/engine/index.js';
import type { BufferManager } from '../../src/engine/webgpu/gpu-types.js';
import { plainAdamW } from '../../src/training/plain-adamw.js';
import { adamW, gradientAt, START } from './adamw-formula.js';
import { largestDifference, runOn, type InputSpec } from './compare-engines.js';
import { WEBGPU_TIMEOUT_MS, webgpuSkipped } from './webgpu-available.js';

type Compute = Parameters<typeof runOn>[2];

async function expectSame(specs: InputSpec[], compute: Compute, tolerance = 1e-6): Promise<void> {
  const oracle = await runOn('cpu', specs, compute);
  const webgpu = await runOn('webgpu', specs, compute);
  expect(largestDifference(oracle, webgpu)).toBeLessThanOrEqual(tolerance);
  expect(webgpu.leaked).toBe(0);
}

describe.skipIf(webgpuSkipped)(
  'kernels of the webgpu engine (needs webgpu)',
  { timeout: WEBGPU_TIMEOUT_MS },
  () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await openEngine('webgpu');
    });

    it.each([
      ['plain', [70, 40], [40, 50], false, false],
      ['right one transposed', [70, 40], [50, 40], false, true],
      ['left one transposed', [40, 70], [40, 50], true, false],
      ['few outputs and long rows', [16, 2304], [2304, 24], false, false],
      ['stacks', [6, 9, 33], [6, 33, 17], false, false],
      ['one row', [1, 64], [300, 64], false, true],
    ] as const)('multiply: %s', async (_, a, b, transposeA, transposeB) => {
      await expectSame(
        [{ shape: [...a] }, { shape: [...b] }],
        ([x, y]) => engine.tf.matMul(x!, y!, transposeA, transposeB),
        3e-5,
      );
    });

    it('give the same bits again where tfjs adds with atomics', async () => {
      const specs = [
        { shape: [24, 4096] },
        { shape: [4096, 24] },
        { shape: [3000, 4] },
        { shape: [3000], below: 5 },
      ];
      const compute: Compute = ([a, b, x, ids]) => [
        engine.tf.matMul(a!, b!),
        engine.tf.unsortedSegmentSum(x!, ids! as never, 5),
      ];
      const first = await runOn('webgpu', specs, compute);
      for (let i = 0; i < 3; i++) {
        expect(largestDifference(first, await runOn('webgpu', specs, compute))).toBe(0);
      }
    });

    it.each([
      [[50, 7], 4],
      [[9], 20],
      [[12, 2, 3], 12],
    ])('sum rows %j by segment, and leave out ids out of range', async (shape, segments) => {
      await expectSame([{ shape }, { shape: [shape[0]!], below: segments + 2 }], ([x, ids]) =>
        engine.tf.unsortedSegmentSum(x!, ids! as never, segments),
      );
    });

    it('softmax, more rows than WebGPU starts groups along an axis', async () => {
      await expectSame([{ shape: [70_001, 3] }], ([x]) => engine.tf.softmax(x!));
    });

    it('softmax and logSumExp of masked scores are numbers', async () => {
      const masked: Compute = ([x]) => {
        const scores = engine.tf.add(
          x!,
          engine.tf.tensor2d([
            [0, -1e9, -1e9],
            [-1e9, -1e9, -1e9],
          ]),
        );
        return [engine.tf.softmax(scores), engine.tf.logSumExp(scores, 1)];
      };
      await expectSame([{ shape: [2, 3] }], masked, 1e-5);
    });

    it.each([[[300, 301]], [[16385]], [[7, 4097, 3]]])('sum all of %j', async (shape) => {
      await expectSame([{ shape, shift: 1 }], ([x]) => engine.tf.sum(x!), 1e-5);
    });

    it('reduce, gather, concatenate and slice like the oracle', async () => {
      await expectSame(
        [{ shape: [33, 130] }, { shape: [40], below: 33 }],
        ([x, ids]) => {
          const { tf } = engine;
          return [
            ...[tf.sum(x!, 0), tf.sum(x!, 1), tf.mean(tf.square(x!), 1, true), tf.gather(x!, ids! as never)],
            ...[tf.concat([x!, x!], 1), tf.slice(x!, [3, 64], [20, -1]), tf.transpose(x!)],
            ...[tf.sigmoid(x!), tf.rsqrt(tf.add(tf.abs(x!), 0.5)), tf.exp(x!)],
            tf.concat(
              Array.from({ length: 40 }, (_, i) => tf.slice(x!, [i % 33, 0], [1, -1])),
              0,
            ),
          ];
        },
        5e-6,
      );
    });

    it('refuse an index that no row has', () => {
      const { tf } = engine;
      tf.tidy(() => {
        const x = tf.ones([3, 2]);
        expect(() => tf.gather(x, tf.tensor1d([0, 3], 'int32'))).toThrow(RangeError);
        expect(() => tf.gather(x, tf.tensor1d([-1], 'int32'))).toThrow(RangeError);
      });
    });

    it.each([1, 10])('AdamW in plain ops equals the formula after %i steps', async (steps) => {
      const options = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.1 };
      const { tf, readFloats } = engine;
      const before = tf.memory().numTensors;
      const initial = tf.tensor(START);
      const slot = plainAdamW.slot(initial);
      for (let t = 1; t <= steps; t++) {
        const gradient = tf.tensor(START.map((_, i) => gradientAt(t, i)));
        slot.update(t, gradient, options);
        gradient.dispose();
      }
      const value = slot.value();
      const theta = await readFloats(value);
      tf.dispose([initial, value]);
      slot.dispose();
      adamW(START, steps, options).theta.forEach((exact, i) =>
        expect(Math.abs(exact - theta[i]!)).toBeLessThan(3e-6),
      );
      expect(tf.memory().numTensors).toBe(before);
    });
  },
);

describe.skipIf(webgpuSkipped)(
  'memory of the webgpu engine (needs webgpu)',
  { timeout: WEBGPU_TIMEOUT_MS },
  () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await openEngine('webgpu');
    });

    it('a tensor that no kernel can bind is refused by its size, and the engine goes on', async () => {
      const { tf } = engine;
      const { device } = tf.backend() as unknown as {
        device: { limits: { maxStorageBufferBindingSize: number } };
      };
      const most = device.limits.maxStorageBufferBindingSize / 4;
      await expect(async () => tf.fill([most + 1], 1)).rejects.toMatchObject({
        code: 'engine-memory',
        details: { found: expect.stringMatching(/MiB$/) as string },
      });
      expect([...(await engine.readFloats(tf.add(tf.ones([2]), 1)))]).toEqual([2, 2]);
    });

    it('released buffers do not pile up when shapes change', async () => {
      const { tf } = engine;
      const { bufferManager } = tf.backend() as unknown as { bufferManager: BufferManager };
      const scalars = 8 << 20;
      for (let i = 0; i < 24; i++) {
        const x = tf.fill([scalars + 64 * i], i);
        const last = tf.slice(x, [scalars - 1], [1]);
        expect([...(await engine.readFloats(last))]).toEqual([i]);
        tf.dispose([x, last]);
      }
      // 24 buffers of 32 MiB are 768 MiB.
      expect(bufferManager.numBytesAllocated - bufferManager.numBytesUsed).toBeLessThan(300 * 2 ** 20);
    });

    it('values are read asynchronously, as a copy of their own', async () => {
      const { tf } = engine;
      const x = tf.tidy(() => tf.add(tf.ones([2000]), tf.range(0, 2000)));
      expect(() => x.dataSync()).toThrow('use data() instead of dataSync()');
      (await engine.readFloats(x))[0] = 99;
      expect([...(await engine.readFloats(x)).slice(0, 3)]).toEqual([1, 2, 3]);
      x.dispose();
    });
  },
);
