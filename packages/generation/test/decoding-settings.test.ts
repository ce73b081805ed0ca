import { InputErrors } from '@selective-dpo/foundation';
import type { GenerationConfig } from '@selective-dpo/model';
import { describe, expect, it } from 'vitest';
import { resolveDecoding } from '../src/decoding-settings.js';

const CONFIG: GenerationConfig = {
  ...{ doSample: false, temperature: undefined, topK: undefined, topP: undefined, maxNewTokens: undefined },
  ...{ eosTokenIds: [], stopStrings: [], ignored: {} },
};
const sampling = (options: object, config: Partial<GenerationConfig> = {}) =>
  resolveDecoding(options, { ...CONFIG, ...config }, [2]).sampling;

describe('resolveDecoding', () => {
  it('is greedy by default, and samples with top-k 50 when asked, as transformers does', () => {
    expect(sampling({}).temperature).toBe(0);
    expect(sampling({ temperature: 0.7 })).toEqual({ temperature: 0.7, topK: 50, topP: 1 });
    expect(sampling({ topP: 0.9 })).toEqual({ temperature: 1, topK: 50, topP: 0.9 });
  });

  it('takes what the model says, and what is asked for before it', () => {
    const own = { doSample: true, temperature: 0.6, topK: 20, topP: 0.8, maxNewTokens: 9 };
    expect(sampling({}, own)).toEqual({ temperature: 0.6, topK: 20, topP: 0.8 });
    expect(sampling({ temperature: 0, topK: 0 }, own)).toEqual({ temperature: 0, topK: 0, topP: 0.8 });
    expect(sampling({}, { temperature: 0.6 }).temperature).toBe(0);
    // Asked to sample, a model that does not by itself has its own temperature, as in transformers.
    expect(sampling({ topK: 5 }, { temperature: 0.6 }).temperature).toBe(0.6);
    const settings = resolveDecoding(
      { stop: ['x'], stopIds: [7] },
      { ...CONFIG, ...own, stopStrings: ['y'] },
      [2, 3],
    );
    expect([settings.maxNewTokens, settings.stop, [...settings.stopIds]]).toEqual([9, ['x', 'y'], [2, 3, 7]]);
  });

  it('refuses every option that makes no sense at once', () => {
    const options = { maxNewTokens: -1, temperature: NaN, topK: 1.5, topP: 0, stop: [''], stopIds: [-1] };
    try {
      sampling(options);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(InputErrors);
      const fields = (error as InputErrors).problems.map(({ details }) => details.field);
      expect(fields).toEqual(['maxNewTokens', 'temperature', 'topK', 'topP', 'stop', 'stopIds']);
    }
  });
});
