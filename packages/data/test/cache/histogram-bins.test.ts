import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { LOGP_BINS, binOf, binsBetween, edgesOf } from '../../src/cache/histogram-bins.js';

describe('bins', () => {
  it('hold each value between their edges, and on an edge in the upper one', () => {
    const random = new SeededRandom(3);
    for (const bins of [LOGP_BINS, binsBetween(-3.1, 7.7, false), binsBetween(3, 400, true)]) {
      const edges = edgesOf(bins);
      expect(edges).toHaveLength(bins.count + 1);
      const inside = Array.from(
        { length: 500 },
        () => edges[0]! + random.next() * (edges.at(-1)! - edges[0]!),
      );
      for (const value of [...inside, ...edges.slice(0, -1)]) {
        const bin = binOf(value, bins);
        expect(edges[bin]! <= value && value < edges[bin + 1]!, `${value} in bin ${bin}`).toBe(true);
      }
    }
  });

  it('have in the first and the last one what lies beyond', () => {
    expect([-1e9, -20, -1e-9, 0, 5].map((value) => binOf(value, LOGP_BINS))).toEqual([0, 0, 79, 79, 79]);
  });

  it('are whole numbers wide for whole numbers, and apart where all values are the same', () => {
    expect(binsBetween(1, 100, true)).toEqual({ begin: 1, width: 3, count: 34 });
    expect(binsBetween(5, 5, true)).toEqual({ begin: 5, width: 1, count: 1 });
    const edges = edgesOf(binsBetween(1e6, 1e6, false));
    expect(new Set(edges).size).toBe(edges.length);
  });
});
