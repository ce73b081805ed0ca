/** Intervals over seeds against printed tables. */
import { describe, expect, it } from 'vitest';
import { summarize } from '../../src/report/statistics/seed-summary.js';
import { studentT95 } from '../../src/report/statistics/student-t.js';

describe('Student t, two-sided 95%', () => {
  // Any printed table of the distribution.
  it.each([
    [1, 12.7062],
    [2, 4.3027],
    [3, 3.1824],
    [4, 2.7764],
    [5, 2.5706],
    [9, 2.2622],
    [10, 2.2281],
    [29, 2.0452],
    [30, 2.0423],
    [120, 1.9799],
    [1000, 1.9623],
    [5000, 1.96],
  ])('%i degrees: %f', (degrees, t) => {
    expect(studentT95(degrees)).toBeCloseTo(t, 3);
  });
});

describe('summary over seeds', () => {
  it('has the mean, its standard error and half of the interval', () => {
    const { mean, standardError, half, count, smallest, largest } = summarize([1, 2, 6])!;
    expect([mean, count, smallest, largest]).toEqual([3, 3, 1, 6]);
    // Deviations −2, −1, 3: variance 14 / 2 = 7.
    expect(standardError).toBeCloseTo(Math.sqrt(7 / 3), 12);
    expect(half).toBeCloseTo(4.30265 * Math.sqrt(7 / 3), 4);
  });

  it('has no interval from one value', () => {
    expect(summarize([2])).toEqual({ count: 1, notFinite: 0, mean: 2, smallest: 2, largest: 2 });
  });

  it('counts values that are not finite, and takes them into nothing', () => {
    const { mean, count, notFinite, half } = summarize([1, NaN, 3, Infinity])!;
    expect([mean, count, notFinite]).toEqual([2, 2, 2]);
    expect(half).toBeCloseTo(12.7062, 3);
    expect(summarize([NaN, -Infinity])).toBeUndefined();
    expect(summarize([])).toBeUndefined();
  });

  it('bears values at the ends of what a float holds', () => {
    expect(summarize([1.7e308, 1.7e308])!.mean).toBeCloseTo(1.7e308, -295);
    expect(summarize([1.7e308, -1.7e308])!.half).toBeUndefined();
  });
});
