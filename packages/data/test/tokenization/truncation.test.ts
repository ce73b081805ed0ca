import { SeededRandom, type InputErrors } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { resolveLimits, truncatePair, type LengthLimits } from '../../src/tokenization/truncation.js';

const ids = (length: number, first: number): number[] => Array.from({ length }, (_, i) => first + i);
const pair = { prompt: ids(6, 0), chosen: ids(5, 100), rejected: ids(3, 200) };
const cut = (limits: LengthLimits): unknown => {
  const result = truncatePair(pair, resolveLimits(limits));
  return result === undefined ? undefined : [result.prompt, result.chosen, result.rejected];
};

describe('truncation, worked by hand', () => {
  it.each<[LengthLimits, unknown]>([
    [{ maxLength: 11 }, [ids(6, 0), ids(5, 100), ids(3, 200)]],
    [{ maxLength: 10 }, [ids(6, 0), ids(4, 100), ids(3, 200)]],
    [{ maxLength: 7 }, [ids(6, 0), [100], [200]]],
    [{ maxLength: 6 }, undefined],
    [{ maxLength: 8, maxPromptLength: 4 }, [ids(4, 0), ids(4, 100), ids(3, 200)]],
    [{ maxLength: 11, maxPromptLength: 2 }, [[0, 1], ids(5, 100), ids(3, 200)]],
    [{ maxLength: 10, truncation: 'keep_end' }, [ids(5, 1), ids(5, 100), ids(3, 200)]],
    [{ maxLength: 4, truncation: 'keep_end' }, [[5], ids(3, 100), ids(3, 200)]],
    [{ maxLength: 2, truncation: 'keep_end' }, [[5], [100], [200]]],
    [{ maxLength: 20, maxPromptLength: 2, truncation: 'keep_end' }, [[4, 5], ids(5, 100), ids(3, 200)]],
  ])('%j', (limits, expected) => {
    expect(cut(limits)).toEqual(expected);
  });

  it('never leaves an empty part or passes a limit, whatever the lengths', () => {
    const random = new SeededRandom(7);
    for (let i = 0; i < 2000; i++) {
      const any = {
        prompt: ids(1 + random.below(30), 0),
        chosen: ids(1 + random.below(30), 100),
        rejected: ids(1 + random.below(30), 200),
      };
      const truncation = i % 2 === 0 ? ('keep_start' as const) : ('keep_end' as const);
      const limits = resolveLimits({
        maxLength: 2 + random.below(50),
        maxPromptLength: 1 + random.below(30),
        truncation,
      });
      const result = truncatePair(any, limits);
      if (result === undefined) {
        expect(truncation).toBe('keep_start');
        expect(Math.min(any.prompt.length, limits.maxPromptLength)).toBeGreaterThanOrEqual(limits.maxLength);
        continue;
      }
      expect(result.prompt.length).toBeLessThanOrEqual(limits.maxPromptLength);
      for (const [part, whole] of [
        [result.chosen, any.chosen],
        [result.rejected, any.rejected],
      ] as const) {
        expect(part.length).toBeGreaterThan(0);
        expect(result.prompt.length + part.length).toBeLessThanOrEqual(limits.maxLength);
        expect(part).toEqual(whole.slice(0, part.length));
      }
      expect(result.prompt.length).toBeGreaterThan(0);
    }
  });

  it('reports every senseless limit at once', () => {
    const truncation = 'middle' as 'keep_end';
    try {
      resolveLimits({ maxLength: 1, maxPromptLength: 0.5, truncation });
      expect.unreachable();
    } catch (error) {
      const fields = (error as InputErrors).problems.map((problem) => problem.details.field);
      expect(fields).toEqual(['maxLength', 'maxPromptLength', 'truncation']);
    }
  });
});
