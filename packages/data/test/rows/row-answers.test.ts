import { describe, expect, it } from 'vitest';
import { fieldLength } from '../../src/rows/field-length.js';
import { rowAnswers } from '../../src/rows/row-answers.js';

const MOST = 1000;
const answers = (rows: unknown[][], longest = MOST) =>
  [...rowAnswers(['a'], rows, longest)].map((answer) => (answer.type === 'rows' ? answer.rows : []));

describe('answers', () => {
  it('hold all rows in their order, at most 256 each', () => {
    const rows = Array.from({ length: 600 }, (_, i) => [`text ${i}`]);
    const sent = answers(rows);
    expect(sent.map((one) => one.length)).toEqual([256, 256, 88]);
    expect(sent.flat()).toEqual(rows);
  });

  it('are small where rows are large, though all of them are one text', () => {
    const text = 'x'.repeat(4 << 20);
    const sent = answers(
      Array.from({ length: 10 }, () => [text]),
      Infinity,
    );
    expect(sent.map((one) => one.length)).toEqual([4, 4, 2]);
    expect(sent.flat().every(([value]) => value === text)).toBe(true);
  });

  it('have of a field that is too long for anybody a text that still is, and others as they are', () => {
    const list = [{ role: 'user', content: 'x'.repeat(MOST) }];
    const [[long, turns, short, bytes]] = answers([
      ['y'.repeat(5 * MOST), list, 'z'.repeat(MOST), new Uint8Array(2 * MOST)],
    ])[0] as [string[]];
    expect(long).toBe('y'.repeat(MOST + 1));
    for (const value of [turns, bytes]) expect(fieldLength(value, MOST)).toBe(MOST + 1);
    expect(short).toBe('z'.repeat(MOST));
    expect(answers([[list]], Infinity)[0]).toEqual([[list]]);
  });
});
