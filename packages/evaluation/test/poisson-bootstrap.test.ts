import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { PoissonBootstrap } from '../src/statistics/poisson-bootstrap.js';

const normal = (random: SeededRandom) =>
  Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());

const bootstrapOf = (values: readonly number[], seed = 1, keys = (i: number) => i) => {
  const bootstrap = new PoissonBootstrap(['x'], seed);
  values.forEach((x, i) => bootstrap.add(keys(i), { x }));
  return bootstrap;
};

const sample = (count: number, seed: number) => {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => 3 + 2 * normal(random));
};

describe('PoissonBootstrap', () => {
  it('gives the interval of the normal approximation for many values', () => {
    const values = sample(2000, 5);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
    const half = (1.96 * deviation) / Math.sqrt(values.length);
    const { value, low, high } = bootstrapOf(values).estimate('x')!;
    expect(value).toBeCloseTo(mean, 12);
    expect((high - low) / (2 * half)).toBeGreaterThan(0.9);
    expect((high - low) / (2 * half)).toBeLessThan(1.1);
  });

  it('covers the mean in about 95 of 100 samples', () => {
    let covered = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const { low, high } = bootstrapOf(sample(60, 100 + seed), seed).estimate('x')!;
      if (low <= 3 && 3 <= high) covered++;
    }
    expect(covered).toBeGreaterThan(180);
    expect(covered).toBeLessThan(200);
  });

  it('is paired: what is the same in both goes out of the difference', () => {
    const noise = sample(300, 9);
    const first = bootstrapOf(noise);
    const second = bootstrapOf(noise.map((x) => x + 0.25));
    const { value, low, high } = second.difference(first, 'x')!;
    for (const bound of [value, low, high]) expect(bound).toBeCloseTo(0.25, 9);
    // Negative control: unpaired, the noise would stay.
    const own = second.estimate('x')!;
    expect(own.high - own.low).toBeGreaterThan(0.1);
  });

  it('depends on the units, not on their order', () => {
    const values = sample(50, 2);
    const forward = bootstrapOf(values).estimate('x')!;
    const backward = bootstrapOf(values.toReversed(), 1, (i) => 49 - i).estimate('x')!;
    for (const name of ['value', 'low', 'high'] as const)
      expect(backward[name]).toBeCloseTo(forward[name], 10);
    expect(bootstrapOf(values, 2).estimate('x')!.low).not.toBe(forward.low);
  });

  it('weighs units that are sums', () => {
    const bootstrap = new PoissonBootstrap(['x']);
    bootstrap.add(0, { x: 3 }, 3);
    bootstrap.add(1, { x: 0 }, 1);
    expect(bootstrap.estimate('x')!.value).toBe(0.75);
  });

  it('refuses the difference of other units, and has none of nothing', () => {
    expect(() => bootstrapOf([1, 2]).difference(bootstrapOf([1, 2, 3]), 'x')).toThrow(RangeError);
    expect(() => bootstrapOf([1, 2], 1).difference(bootstrapOf([1, 2], 2), 'x')).toThrow(RangeError);
    expect(new PoissonBootstrap(['x']).estimate('x')).toBeUndefined();
  });
});
