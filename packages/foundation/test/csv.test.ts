import { describe, expect, it } from 'vitest';
import { SeededRandom, csvLine, csvRecords } from '../src/index.js';

describe('CSV', () => {
  it('comes back as it was written, whatever the texts hold', () => {
    const random = new SeededRandom(1);
    const letters = ['a', '"', ',', '\r', '\n', ' ', 'é'];
    for (let trial = 0; trial < 300; trial++) {
      const rows = Array.from({ length: 1 + random.below(4) }, () =>
        Array.from({ length: 1 + random.below(4) }, () =>
          // Such a beginning is written behind an apostrophe.
          Array.from({ length: random.below(5) }, () => letters[random.below(letters.length)]!)
            .join('')
            .replace(/^\r+/, ''),
        ),
      );
      expect(csvRecords(rows.map((row) => csvLine(row)).join(''))).toEqual(rows);
    }
  });

  it.each([
    ['', []],
    ['a', [['a']]],
    ['a,\n', [['a', '']]],
    ['a\rb\n\nc', [['a'], ['b'], [''], ['c']]],
    ['"a""b', [['a"b']]],
    ['"a"b,c', [['ab', 'c']]],
    ['a"b,c', [['a"b', 'c']]],
  ])('of other hands is read: %j', (text, records) => {
    expect(csvRecords(text)).toEqual(records);
  });
});
