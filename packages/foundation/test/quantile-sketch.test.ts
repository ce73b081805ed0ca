import { SeededRandom } from '../src/random.js';
import { describe, expect, it } from 'vitest';
import { QuantileSketch, RELATIVE_ERROR } from '../src/quantile-sketch.js';

const sketchOf = (values: Iterable<number>) => {
  const sketch = new QuantileSketch();
  for (const value of values) sketch.add(value);
  return sketch;
};

const exact = (values: readonly number[], q: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))]!;

/** Log-probs, scores of both signs, and values of very different sizes. */
const STREAMS: Record<string, (random: SeededRandom) => number> = {
  'log-probs': (random) => Math.log(random.next() + 1e-12),
  'scores of both signs': (random) => (random.next() - 0.5) * 8,
  'many sizes': (random) => (random.next() < 0.5 ? -1 : 1) * 10 ** (30 * random.next() - 9),
  'few values': (random) => random.below(3) - 1,
};

describe('QuantileSketch', () => {
  it.each(Object.keys(STREAMS))('is within its error for %s', (name) => {
    const random = new SeededRandom(7);
    const values = Array.from({ length: 5000 }, () => STREAMS[name]!(random));
    const sketch = sketchOf(values);
    for (const q of [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1]) {
      const right = exact(values, q);
      expect(Math.abs(sketch.quantile(q) - right), `${q}`).toBeLessThanOrEqual(
        RELATIVE_ERROR * Math.abs(right) * (1 + 1e-9) + 1e-9,
      );
    }
    // Negative control: the bound is one that a neighbouring quantile breaks.
    expect(Math.abs(sketch.quantile(0.25) - exact(values, 0.75))).toBeGreaterThan(
      RELATIVE_ERROR * Math.abs(exact(values, 0.75)),
    );
  });

  it('has exact counts, means and ends', () => {
    const distribution = sketchOf([-3, -1, 0, 0, 2, 8]).distribution()!;
    expect(distribution).toMatchObject({ count: 6, mean: 1, min: -3, max: 8, p50: 0 });
  });

  it('holds no more for many values than their size allows', () => {
    const random = new SeededRandom(3);
    const sketch = new QuantileSketch();
    for (let i = 0; i < 200_000; i++) sketch.add(-random.next() * 20);
    const buckets = (sketch as unknown as { negative: Map<number, number> }).negative.size;
    expect(buckets).toBeLessThan(2500);
    expect(buckets).toBeGreaterThan(100);
  });

  it('says nothing of nothing, and refuses what is no number', () => {
    expect(new QuantileSketch().distribution()).toBeUndefined();
    for (const value of [NaN, Infinity, -Infinity]) {
      expect(() => new QuantileSketch().add(value)).toThrow(RangeError);
    }
  });
});
