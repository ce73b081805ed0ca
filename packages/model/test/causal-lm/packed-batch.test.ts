import { describe, expect, it } from 'vitest';
import {
  MASKED,
  batchesByTokens,
  joinByResponse,
  packBatch,
  packedLength,
  splitByResponse,
  type PackedBatch,
} from '../../src/causal-lm/index.js';
import { tileMask } from '../../src/causal-lm/attention-tiles.js';
import { randomSequences } from './random-model.js';

const maskOf = ({ groups: [group] }: PackedBatch) =>
  group !== undefined && 'mask' in group.seen ? group.seen.mask : undefined;

const sequences = randomSequences(
  [
    [3, 2, 1],
    [1, 4, 4],
    [30, 5, 9],
    [2, 1, 3],
  ],
  50,
);

describe('packBatch', () => {
  const batch = packBatch(sequences);

  it('lays every token once, without padding', () => {
    expect(batch.tokens).toBe(sequences.reduce((sum, s) => sum + packedLength(s), 0));
    const laid = [...batch.ids.subarray(0, batch.tokens)].sort((a, b) => a - b);
    const given = sequences.flatMap((s) => [...s.prompt, ...s.responses.flatMap((r) => [...r])]);
    expect(laid).toEqual(given.sort((a, b) => a - b));
  });

  it("restarts a response's positions after the prompt and predicts its first token from the prompt's last", () => {
    for (const { sequence, response, start, length } of batch.spans) {
      const { prompt, responses } = sequences[sequence]!;
      const rows = [...batch.headRows.subarray(start, start + length)];
      expect(rows.map((row) => batch.positions[row])).toEqual(rows.map((_, i) => prompt.length - 1 + i));
      expect(batch.ids[rows[0]!]).toBe(prompt.at(-1));
      expect([...batch.targetIds.subarray(start, start + length)]).toEqual([...responses[response]!]);
    }
  });

  it('lets a token see the prompt and its own response so far, nothing else', () => {
    const single = packBatch(
      [{ prompt: Int32Array.of(1, 2), responses: [Int32Array.of(3, 4), Int32Array.of(5)] }],
      { lengthMultiple: 1 },
    );
    const seen = Array.from({ length: 5 }, (_, t) =>
      [...maskOf(single)!.subarray(t * 5, t * 5 + 5)].map((m) => (m === MASKED ? 0 : 1)).join(''),
    );
    expect(seen).toEqual(['10000', '11000', '11100', '11110', '11001']);
  });

  it('lets the tiles of a long sequence see the same keys, each query in one tile', () => {
    const [sequence] = randomSequences([[11, 7, 9]], 50);
    const dense = maskOf(packBatch([sequence!], { lengthMultiple: 1 }))!;
    for (const [tileQueries, tileMultiple] of [
      [4, 1],
      [8, 4],
      [64, 8],
    ] as const) {
      const [tiled] = packBatch([sequence!], { tiledFrom: 1, tileQueries, tileMultiple }).groups;
      if (tiled === undefined || !('segments' in tiled.seen)) throw new Error('no tiles');
      const seen = new Float32Array(27 * 27).fill(MASKED);
      const visits = new Array<number>(27).fill(0);
      for (const segment of tiled.seen.segments) {
        for (const tile of segment.tiles) {
          const mask = tileMask(segment, tile, MASKED);
          expect(mask).toHaveLength((tile.end - tile.start) * tile.keys);
          for (let place = tile.start; place < tile.end; place++) {
            const query = tiled.padIndex[place]!;
            if (query === 27) continue;
            visits[query]!++;
            for (let key = 0; key < tile.keys; key++) {
              const at = key < segment.shared ? key : segment.start + key - segment.shared;
              const open = mask[(place - tile.start) * tile.keys + key] === 0;
              // No query sees padding.
              if (open) expect(tiled.padIndex[at]).toBeLessThan(27);
              if (open) seen[query * 27 + tiled.padIndex[at]!] = 0;
            }
          }
        }
      }
      expect(visits).toEqual(new Array(27).fill(1));
      expect(seen).toEqual(dense);
    }
  });

  it('cuts a long sequence into fewer scores than the square of its length', () => {
    const [group] = packBatch(randomSequences([[300, 280, 290]], 50)).groups;
    if (group === undefined || !('segments' in group.seen)) throw new Error('no tiles');
    const tiles = group.seen.segments.flatMap((segment) => segment.tiles);
    const scores = tiles.reduce((sum, tile) => sum + (tile.end - tile.start) * tile.keys, 0);
    expect(scores).toBeLessThan(0.6 * 870 ** 2);
  });

  it('never puts a sequence in tiles beside another', () => {
    const { groups } = packBatch(sequences, { tiledFrom: 7 });
    expect(groups.filter((group) => 'segments' in group.seen).map((group) => group.rows)).toEqual([44, 9]);
    expect(groups.filter((group) => 'segments' in group.seen).map((group) => group.size)).toEqual([1, 1]);
  });

  it('fills rows and lengths up to few different numbers', () => {
    const many = Array.from({ length: 40 }, (_, i) => packBatch(randomSequences([[i + 5, 3, i + 1]], 9)));
    expect(new Set(many.map(({ rows }) => rows)).size).toBeLessThanOrEqual(2);
    for (const { rows, tokens, ids } of many) {
      expect(rows - tokens).toBeLessThan(64);
      expect(ids).toHaveLength(rows);
    }
  });

  it('groups sequences of like length and never mixes a long one with short ones', () => {
    const exact = packBatch(sequences, { lengthMultiple: 1 });
    expect(exact.groups.map((g) => g.length)).toContain(44);
    for (const { size, length, rows } of exact.groups)
      expect(1 - rows / (size * length)).toBeLessThanOrEqual(0.125);
    expect(batch.groups.reduce((sum, g) => sum + g.rows, 0)).toBe(batch.tokens);
  });

  it('gives values back in the order of the caller', () => {
    const values = Float32Array.from(batch.targetIds);
    const split = splitByResponse(batch, values);
    expect(split.map((lists) => lists.map((list) => [...list]))).toEqual(
      sequences.map((s) => s.responses.map((r) => [...r])),
    );
    expect(joinByResponse(batch, split)).toEqual(values);
    expect(() => joinByResponse(batch, [])).toThrow(RangeError);
  });

  it('refuses an empty prompt or response', () => {
    expect(() => packBatch(randomSequences([[0, 2]], 5))).toThrow(RangeError);
    expect(() => packBatch(randomSequences([[2, 0]], 5))).toThrow(RangeError);
  });
});

describe('batchesByTokens', () => {
  it('fills batches up to the limit, longest first, and leaves an over-long one alone', () => {
    expect(batchesByTokens([3, 9, 2, 4, 20], 8)).toEqual([[4], [1], [3, 0], [2]]);
    expect(batchesByTokens([], 8)).toEqual([]);
  });
});
