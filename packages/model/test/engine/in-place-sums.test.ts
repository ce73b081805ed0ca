import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { openEngine, withoutFusedKernels } from '../../src/engine/index.js';
import { inPlaceSums } from '../../src/engine/in-place-sums.js';
import { enginesToTest } from '../engines-to-test.js';

describe.each(enginesToTest('tensorflow', 'wasm', 'cpu'))('sums in place on %s', (engine) => {
  const matrix = (values: number[]): tf.Tensor2D => tf.tensor2d(values, [3, 2]);

  it('adds a tensor and takes the sum over', async () => {
    await openEngine(engine);
    const before = tf.memory().numTensors;
    const [sum, part] = [matrix([1, 2, 3, 4, 5, 6]), matrix([10, 20, 30, 40, 50, 60])];
    const result = inPlaceSums().add(sum, part);
    expect([...(await result.data())]).toEqual([11, 22, 33, 44, 55, 66]);
    expect([...(await part.data())]).toEqual([10, 20, 30, 40, 50, 60]);
    expect(result.shape).toEqual([3, 2]);
    expect(sum.isDisposed).toBe(true);
    tf.dispose([result, part]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('adds rows at their places, several at one', async () => {
    await openEngine(engine);
    const before = tf.memory().numTensors;
    const sum = matrix([1, 2, 3, 4, 5, 6]);
    const places = tf.tensor1d([2, 0, 2, 2], 'int32');
    const rows = tf.tensor2d([1, 1, 10, 20, 2, 2, 4, 4], [4, 2]);
    const result = inPlaceSums().addRows(sum, places, rows);
    expect([...(await result.data())]).toEqual([11, 22, 3, 4, 12, 13]);
    expect(sum.isDisposed).toBe(true);
    tf.dispose([result, places, rows]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('leaves a tensor alone that shares the memory of the sum', async () => {
    await openEngine(engine);
    const sum = matrix([1, 2, 3, 4, 5, 6]);
    const clone = tf.clone(sum);
    const part = matrix([1, 1, 1, 1, 1, 1]);
    const added = inPlaceSums().add(sum, part);
    const places = tf.tensor1d([0], 'int32');
    const rows = tf.tensor2d([5, 5], [1, 2]);
    const addedTwice = inPlaceSums().addRows(tf.clone(clone), places, rows);
    expect([...(await clone.data())]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...(await added.data())]).toEqual([2, 3, 4, 5, 6, 7]);
    expect([...(await addedTwice.data())]).toEqual([6, 7, 3, 4, 5, 6]);
    tf.dispose([clone, part, added, places, rows, addedTwice]);
  });

  it('refuses a part of another shape, and holds nothing afterwards', async () => {
    await openEngine(engine);
    const before = tf.memory().numTensors;
    const [sum, part] = [matrix([1, 2, 3, 4, 5, 6]), tf.tensor2d([1, 2, 3], [1, 3])];
    expect(() => inPlaceSums().add(sum, part)).toThrow();
    tf.dispose([sum, part]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe.each(enginesToTest('tensorflow'))('sums in place on %s alone', (engine) => {
  it('are not the plain ones, unless those are asked for', async () => {
    await openEngine(engine);
    expect(inPlaceSums()).not.toBe(withoutFusedKernels(inPlaceSums));
  });

  it('refuse a place outside', async () => {
    await openEngine(engine);
    const before = tf.memory().numTensors;
    const [places, rows] = [tf.tensor1d([3], 'int32'), tf.tensor2d([1, 1], [1, 2])];
    expect(() => inPlaceSums().addRows(tf.zeros([3, 2]), places, rows)).toThrow('outside the sum');
    tf.dispose([places, rows]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
