import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { openEngine, withoutFusedKernels } from '../../src/engine/index.js';
import { rowWriter } from '../../src/engine/row-writes.js';
import { enginesToTest } from '../engines-to-test.js';

describe.each(enginesToTest('tensorflow', 'wasm', 'cpu'))('rows written on %s', (engine) => {
  it('replaces the rows named, keeps the others, and takes the tensor over', async () => {
    await openEngine(engine);
    for (const write of [rowWriter(), withoutFusedKernels(rowWriter)]) {
      const before = tf.memory().numTensors;
      const [places, rows] = [tf.tensor1d([2, 0], 'int32'), tf.tensor2d([10, 20, 30, 40], [2, 2])];
      const result = write(tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]), places, rows);
      expect([...(await result.data())]).toEqual([30, 40, 3, 4, 10, 20]);
      expect([...(await rows.data())]).toEqual([10, 20, 30, 40]);
      expect(result.shape).toEqual([3, 2]);
      tf.dispose([result, places, rows]);
      expect(tf.memory().numTensors).toBe(before);
    }
  });
});

describe.each(enginesToTest('tensorflow', 'wasm'))('rows written on %s alone', (engine) => {
  it('are written in place, unless plain ops are asked for', async () => {
    await openEngine(engine);
    const [places, rows] = [tf.tensor1d([1], 'int32'), tf.tensor2d([7, 8], [1, 2])];
    const held = async (write: ReturnType<typeof rowWriter>): Promise<number[]> => {
      const x = tf.zeros<tf.Rank.R2>([2, 2]);
      // Shares the memory, which a caller must not do: here it shows where the rows went.
      const alias = tf.reshape(x, [4]);
      write(x, places, rows).dispose();
      const values = [...(await alias.data())];
      alias.dispose();
      return values;
    };
    expect(await held(rowWriter())).toEqual([0, 0, 7, 8]);
    expect(await held(withoutFusedKernels(rowWriter))).toEqual([0, 0, 0, 0]);
    tf.dispose([places, rows]);
  });
});

describe('rows written on wasm', () => {
  it('refuse a place outside', async () => {
    await openEngine('wasm');
    const [places, rows] = [tf.tensor1d([3], 'int32'), tf.tensor2d([1, 1], [1, 2])];
    expect(() => rowWriter()(tf.zeros([3, 2]), places, rows)).toThrow('row 3 of 3');
    tf.dispose([places, rows]);
  });
});
