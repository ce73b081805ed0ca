import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { alignTokens, type Stretch } from '../../web/text/token-difference.js';

/** Length of the longest common subsequence, by the table of all prefixes. */
function commonLength(a: readonly number[], b: readonly number[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const x of a) {
    const next = [0];
    b.forEach((y, j) => next.push(x === y ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!)));
    row = next;
  }
  return row.at(-1)!;
}

const shared = (stretches: readonly Stretch[]): number =>
  stretches.reduce((sum, { kind, a, aEnd }) => sum + (kind === 'same' ? aEnd - a : 0), 0);

/** Stretches cover both lists in order, and what is called the same is. */
function expectSound(a: readonly number[], b: readonly number[], stretches: readonly Stretch[]): void {
  let [x, y] = [0, 0];
  for (const stretch of stretches) {
    expect([stretch.a, stretch.b]).toEqual([x, y]);
    [x, y] = [stretch.aEnd, stretch.bEnd];
    if (stretch.kind === 'same')
      expect(a.slice(stretch.a, stretch.aEnd)).toEqual(b.slice(stretch.b, stretch.bEnd));
  }
  expect([x, y]).toEqual([a.length, b.length]);
}

describe('the difference of two answers', () => {
  it('shares as many tokens as any alignment can', () => {
    const random = new SeededRandom(7);
    for (let trial = 0; trial < 400; trial++) {
      const list = () => Array.from({ length: random.below(30) }, () => random.below(2 + (trial % 6)));
      const [a, b] = [list(), list()];
      const stretches = alignTokens(a, b);
      expectSound(a, b, stretches);
      expect(shared(stretches)).toBe(commonLength(a, b));
    }
  });

  it('is one stretch for equal lists, and none for empty ones', () => {
    expect(alignTokens([1, 2, 3], [1, 2, 3])).toEqual([{ kind: 'same', a: 0, aEnd: 3, b: 0, bEnd: 3 }]);
    expect(alignTokens([], [])).toEqual([]);
  });

  it('gives up beyond the limit of edits, and keeps the common ends', () => {
    const a = [9, ...Array.from({ length: 50 }, (_, i) => i), 8];
    const b = [9, ...Array.from({ length: 50 }, (_, i) => 49 - i), 8];
    const stretches = alignTokens(a, b, 5);
    expectSound(a, b, stretches);
    expect(stretches.map(({ kind }) => kind)).toEqual(['same', 'different', 'same']);
    expect(shared(alignTokens(a, b))).toBe(commonLength(a, b));
  });

  it('ends for long answers that share nothing', () => {
    const [a, b] = [new Int32Array(20_000).fill(1), new Int32Array(20_000).fill(2)];
    expect(alignTokens(a, b)).toEqual([{ kind: 'different', a: 0, aEnd: 20_000, b: 0, bEnd: 20_000 }]);
  });
});
