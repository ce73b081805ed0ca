import { describe, expect, it } from 'vitest';
import {
  MASKED,
  batchesByTokens,
  joinByResponse,
  packBatch,
  packedLength,
  splitByResponse,
} from '../../src/causal-lm/index.js';
import { randomSequences } from './random-model.js';

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
    const laid = [...batch.ids].sort((a, b) => a - b);
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
    const single = packBatch([
      { prompt: Int32Array.of(1, 2), responses: [Int32Array.of(3, 4), Int32Array.of(5)] },
    ]);
    const seen = Array.from({ length: 5 }, (_, t) =>
      [...single.groups[0]!.mask.subarray(t * 5, t * 5 + 5)].map((m) => (m === MASKED ? 0 : 1)).join(''),
    );
    expect(seen).toEqual(['10000', '11000', '11100', '11110', '11001']);
  });

  it('groups sequences of like length and never mixes a long one with short ones', () => {
    expect(batch.groups.map((g) => g.length)).toContain(44);
    for (const { size, length, rows } of batch.groups)
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
