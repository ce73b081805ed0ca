import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import type { PairMask } from '../src/loss/preference-loss.js';
import { SelectionHistory } from '../src/selection/selection-history.js';

const mask = (chosen: string, rejected: string): PairMask => ({
  chosen: Uint8Array.from(chosen, Number),
  rejected: Uint8Array.from(rejected, Number),
});

function randomMask(random: SeededRandom, chosen: number, rejected: number): PairMask {
  const draw = (n: number) => Uint8Array.from({ length: n }, () => random.below(2));
  return { chosen: draw(chosen), rejected: draw(rejected) };
}

const ones = ({ chosen, rejected }: PairMask) => [...chosen, ...rejected].reduce((a, b) => a + b, 0);

describe('SelectionHistory.visit', () => {
  it('knows nothing at the first visit of a pair and counts the overlap at the next', () => {
    const history = new SelectionHistory();
    expect(history.visit(7, mask('1100', '101'))).toBeUndefined();
    expect(history.visit(8, mask('1100', '101'))).toBeUndefined();
    expect(history.visit(7, mask('0111', '001'))).toEqual({ kept: 4, keptBefore: 2 });
  });

  it('compares with the last visit, not with the first', () => {
    const history = new SelectionHistory();
    history.visit(0, mask('11', '00'));
    expect(history.visit(0, mask('00', '11'))).toEqual({ kept: 2, keptBefore: 0 });
    expect(history.visit(0, mask('00', '11'))).toEqual({ kept: 2, keptBefore: 2 });
    expect(history.visit(0, mask('11', '00'))).toEqual({ kept: 2, keptBefore: 0 });
  });

  it('does not take a chosen token for a rejected one where the two meet', () => {
    const history = new SelectionHistory();
    history.visit(0, mask('00000001', '00000000'));
    expect(history.visit(0, mask('00000000', '10000000'))).toEqual({ kept: 1, keptBefore: 0 });
  });

  it('counts as one would by hand, whatever the lengths', () => {
    const random = new SeededRandom(4);
    const history = new SelectionHistory();
    for (let row = 0; row < 60; row++) {
      const [chosen, rejected] = [1 + random.below(20), 1 + random.below(20)];
      const [before, now] = [
        randomMask(random, chosen, rejected),
        randomMask(random, chosen, rejected),
      ] as const;
      const both: PairMask = {
        chosen: now.chosen.map((bit, t) => bit & before.chosen[t]!),
        rejected: now.rejected.map((bit, t) => bit & before.rejected[t]!),
      };
      history.visit(row, before);
      expect(history.visit(row, now)).toEqual({ kept: ones(now), keptBefore: ones(both) });
    }
  });

  it('remembers no new pair when its store is full, and goes on with those it has', () => {
    const history = new SelectionHistory(3);
    history.visit(0, mask('11111', '1111')); // Nine tokens: two bytes.
    history.visit(1, mask('11111', '1111')); // Two more would be four.
    expect(history.visit(1, mask('11111', '1111'))).toBeUndefined();
    expect(history.visit(0, mask('11111', '0000'))).toEqual({ kept: 5, keptBefore: 5 });
    history.visit(2, mask('1', '1')); // One byte is still there.
    expect(history.visit(2, mask('1', '0'))).toEqual({ kept: 1, keptBefore: 1 });
    expect(history.export().length).toBe(3 + 2 * 8);
  });
});

describe('a history as a block of bytes', () => {
  function sample(rows: number[]): SelectionHistory {
    const history = new SelectionHistory();
    for (const row of rows) history.visit(row, randomMask(new SeededRandom(row), 5 + (row % 9), 7));
    return history;
  }

  it('is the row, the length and the bits of each pair, little-endian', () => {
    const history = new SelectionHistory();
    history.visit(258, mask('101', '000001'));
    history.visit(3, mask('1', '1'));
    expect([...history.export()]).toEqual([
      ...[3, 0, 0, 0, 1, 0, 0, 0, 0b11],
      ...[2, 1, 0, 0, 2, 0, 0, 0, 0b101, 0b1],
    ]);
  });

  it('gives the history back: the same bytes, and the same answers', () => {
    const rows = [5, 1, 4_000_000_000, 12];
    const before = sample(rows);
    const after = SelectionHistory.import(before.export());
    expect(after.export()).toEqual(before.export());
    for (const row of rows) {
      const now = randomMask(new SeededRandom(row + 1), 5 + (row % 9), 7);
      const answer = before.visit(row, now);
      expect(answer).toBeDefined();
      expect(after.visit(row, now)).toEqual(answer);
    }
    expect(after.visit(6, mask('1', '1'))).toBeUndefined();
    expect(SelectionHistory.import(new Uint8Array(0)).export()).toEqual(new Uint8Array(0));
  });

  it('does not depend on the order in which pairs were first seen, but on their masks', () => {
    expect(sample([1, 2, 3]).export()).toEqual(sample([3, 1, 2]).export());
    const other = sample([1, 2, 3]);
    other.visit(2, mask('0000000', '0000000'));
    expect(other.export()).not.toEqual(sample([1, 2, 3]).export());
  });

  it('is refused when it ends inside an entry, wherever that is', () => {
    const block = sample([1, 2, 3]).export();
    const whole = [0];
    const view = new DataView(block.buffer);
    for (let at = 0; at < block.length; at = whole.at(-1)!) whole.push(at + 8 + view.getUint32(at + 4, true));
    expect(whole).toHaveLength(4);
    for (let length = 0; length <= block.length; length++) {
      const read = () => SelectionHistory.import(block.subarray(0, length));
      if (whole.includes(length)) expect(read().export()).toEqual(block.slice(0, length));
      else expect(read, `${length} bytes`).toThrow(RangeError);
    }
  });

  it('is refused when an entry claims more bytes than there are', () => {
    const block = sample([1]).export();
    new DataView(block.buffer).setUint32(4, 0xffffffff, true);
    expect(() => SelectionHistory.import(block)).toThrow(RangeError);
  });

  it('is refused when an entry is empty, comes twice or out of its order', () => {
    const entries = (rows: [row: number, bytes: number][]) =>
      Buffer.concat(
        rows.map(([row, bytes]) => {
          const entry = Buffer.alloc(8 + bytes, 0xff);
          entry.writeUInt32LE(row, 0);
          entry.writeUInt32LE(bytes, 4);
          return entry;
        }),
      );
    const read = (rows: [number, number][]) => SelectionHistory.import(entries(rows));
    for (const rows of [
      [[1, 0]],
      [
        [1, 1],
        [1, 1],
      ],
      [
        [2, 1],
        [1, 1],
      ],
    ] as [number, number][][]) {
      expect(() => read(rows)).toThrow(RangeError);
    }
    expect(
      read([
        [1, 1],
        [2, 1],
      ]).export(),
    ).toHaveLength(18);
  });

  it.each([Uint8Array, Buffer])('is copied from a %o: what becomes of it later does not matter', (kind) => {
    const expected = sample([1, 2]).export();
    const block = kind.from(expected);
    const history = SelectionHistory.import(block);
    block.fill(0);
    expect(history.export()).toEqual(expected);
  });
});
