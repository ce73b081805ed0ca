import { describe, expect, it } from 'vitest';
import { isWeakReference, wilsonInterval } from '../../src/index.js';

describe('Wilson’s interval', () => {
  it('has the values of the literature, and 0 and 1 at the ends', () => {
    const { low, high } = wilsonInterval(81, 263);
    expect([low, high].map((share) => share.toFixed(4))).toEqual(['0.2553', '0.3662']);
    expect(wilsonInterval(0, 10).low).toBe(0);
    expect(wilsonInterval(0, 10).high).toBeCloseTo(0.27753, 5);
    expect(wilsonInterval(10, 10).high).toBeCloseTo(1, 12);
  });
});

describe('a weak reference', () => {
  it('orders fewer than 55% of the pairs, and not by chance in a few', () => {
    expect([500, 510, 530, 550].map((ordered) => isWeakReference(ordered, 1000))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([isWeakReference(4, 10), isWeakReference(0, 10)]).toEqual([false, true]);
  });
});
