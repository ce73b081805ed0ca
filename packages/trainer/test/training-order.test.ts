import { epochOrder } from '@selective-dpo/data';
import { describe, expect, it } from 'vitest';
import { TrainingOrder } from '../src/run/training-order.js';

type Settings = ConstructorParameters<typeof TrainingOrder>[1];

const settings = (change: Partial<Settings> = {}): Settings => ({
  ...{ batchSize: 4, gradientAccumulationSteps: 1, epochs: 1, maxSteps: -1, shuffle: true, seed: 0 },
  ...change,
});

/** Rows 100, 103, 106, …: what is trained on is not all of the cache. */
const rows = (count: number) => Uint32Array.from({ length: count }, (_, i) => 100 + 3 * i);

const orderOf = (count: number, change: Partial<Settings> = {}) =>
  new TrainingOrder(rows(count), settings(change));

const allSteps = (order: TrainingOrder) =>
  Array.from({ length: order.totalSteps }, (_, step) => order.rowsOfStep(step));

const ascending = (list: number[]) => list.toSorted((a, b) => a - b);

describe('an epoch', () => {
  it('sees every pair once, in steps of one size and a smaller last one', () => {
    const order = orderOf(10);
    const steps = allSteps(order);
    expect(order.stepsPerEpoch).toBe(3);
    expect(steps.map((step) => step.length)).toEqual([4, 4, 2]);
    expect(ascending(steps.flat())).toEqual([...rows(10)]);
  });

  it.each([
    [1, 1, 1],
    [4, 1, 1],
    [5, 2, 3],
    [8, 2, 2],
    [17, 3, 4],
  ])('of %i pairs in %i passes of %i pairs sees each once, too', (count, accumulation, batchSize) => {
    const order = orderOf(count, { batchSize, gradientAccumulationSteps: accumulation, epochs: 3 });
    for (let epoch = 0; epoch < 3; epoch++) {
      const seen = Array.from({ length: order.stepsPerEpoch }, (_, i) =>
        order.rowsOfStep(epoch * order.stepsPerEpoch + i),
      );
      expect(ascending(seen.flat())).toEqual([...rows(count)]);
    }
  });

  it('is in an order of its own', () => {
    const order = orderOf(32, { epochs: 2, batchSize: 32 });
    const [first, second] = allSteps(order);
    expect(first).not.toEqual(second);
    expect(first).not.toEqual([...rows(32)]);
    expect(ascending(first!)).toEqual(ascending(second!));
  });

  it('keeps the order of the cache without shuffling, every time', () => {
    const order = orderOf(6, { shuffle: false, epochs: 2 });
    const [a, b, c, d] = rows(6);
    expect(order.rowsOfStep(0)).toEqual([a, b, c, d]);
    expect(allSteps(order).flat()).toEqual([...rows(6), ...rows(6)]);
  });
});

describe('the order of training', () => {
  it('depends on seed and epoch only, not on how it is cut into steps', () => {
    const flat = (change: Partial<Settings>) => allSteps(orderOf(11, { epochs: 3, ...change })).flat();
    const expected = [0, 1, 2].flatMap((epoch) => Array.from(epochOrder(11, 0, epoch), (i) => rows(11)[i]!));
    expect(flat({})).toEqual(expected);
    expect(flat({ batchSize: 3 })).toEqual(expected);
    expect(flat({ batchSize: 1, gradientAccumulationSteps: 5 })).toEqual(expected);
    expect(flat({ epochs: 4 }).slice(0, 33)).toEqual(expected);
    expect(flat({ seed: 1 })).not.toEqual(expected);
  });

  it('has the same steps for 4 pairs in 2 passes as for 8 pairs in one', () => {
    const cut = orderOf(21, { batchSize: 4, gradientAccumulationSteps: 2, epochs: 2 });
    const whole = orderOf(21, { batchSize: 8, epochs: 2 });
    expect(cut.pairsPerStep).toBe(8);
    expect(allSteps(cut)).toEqual(allSteps(whole));
    expect(allSteps(orderOf(21, { batchSize: 4, epochs: 2 }))).not.toEqual(allSteps(whole));
  });

  it('can be taken up at any step, in any sequence of questions', () => {
    const steps = allSteps(orderOf(10, { epochs: 3 }));
    for (let from = 0; from < steps.length; from++) {
      const resumed = orderOf(10, { epochs: 3 });
      expect(resumed.rowsOfStep(from)).toEqual(steps[from]);
    }
    const order = orderOf(10, { epochs: 3 });
    for (const step of [8, 0, 5, 2, 7, 7, 1]) expect(order.rowsOfStep(step)).toEqual(steps[step]);
  });
});

describe('the number of steps', () => {
  it.each([
    // Pairs, epochs, steps of 4 pairs.
    [10, 1, 3],
    [10, 2, 6],
    [8, 0.5, 1],
    [10, 0.5, 2],
    [10, 0.01, 1],
    [8, 2.5, 5],
  ])('of %i pairs over %f epochs is %i', (count, epochs, steps) => {
    expect(orderOf(count, { epochs }).totalSteps).toBe(steps);
  });

  it('is maxSteps where that is given, shorter or longer than the epochs', () => {
    expect(orderOf(10, { epochs: 5, maxSteps: 2 }).totalSteps).toBe(2);
    const long = orderOf(10, { epochs: 1, maxSteps: 7 });
    expect(allSteps(long).map((step) => step.length)).toEqual([4, 4, 2, 4, 4, 2, 4]);
    expect(allSteps(long).slice(0, 6)).toEqual(allSteps(orderOf(10, { epochs: 2 })));
  });
});
