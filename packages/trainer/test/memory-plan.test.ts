import { beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '@selective-dpo/foundation';
import { openEngine, parseModelConfig, type ModelConfig } from '@selective-dpo/model';
import { describePlan, planMemory, trainingConfigSchema } from '../src/index.js';

/** Qwen2.5-0.5B's shape. */
const QWEN_HALF: ModelConfig = parseModelConfig(
  {
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
    hidden_act: 'silu',
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    vocab_size: 151936,
    max_position_embeddings: 32768,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    tie_word_embeddings: true,
  },
  'config.json',
);

const ENGINE = { processBytes: 2 ** 30, memoryLimitBytes: undefined };

function plan(
  memoryLimit: string,
  change: Record<string, unknown> = {},
  engine: typeof ENGINE | object = ENGINE,
) {
  const config = trainingConfigSchema.parse({ memoryLimit, batchSize: 8, ...change });
  return planMemory(config, QWEN_HALF, engine as typeof ENGINE, 700);
}

describe('a memory limit', () => {
  beforeAll(() => openEngine('cpu'));

  it('is none by default, and changes nothing then', () => {
    expect(plan('none')).toBeUndefined();
  });

  it('leaves the configuration as it is where there is room', () => {
    expect(plan('1TiB')).toMatchObject({ pairs: 8, tokens: 4096, activations: 'keep' });
  });

  it('first cuts batches, then computes activations anew, never exceeding the limit', () => {
    const limits = ['60GiB', '20GiB', '16GiB', '14GiB', '13GiB', '12GiB'];
    const plans = limits.map((limit) => plan(limit)!);
    plans.forEach((one, i) => expect(one.expected).toBeLessThanOrEqual(parseFloat(limits[i]!) * 2 ** 30));
    const policies = plans.map((one) => one.activations);
    expect(policies).toEqual([...policies].sort());
    expect(new Set(policies)).toEqual(new Set(['keep', 'recompute']));
    for (const one of plans) expect(one.tokens).toBeGreaterThanOrEqual(700);
    // Less memory never gives a larger expectation.
    const expected = plans.map((one) => one.expected);
    expect(expected).toEqual([...expected].sort((a, b) => b - a));
  });

  it('lets the shape of Qwen2.5-0.5B train in 20 GiB', () => {
    expect(plan('20GiB')!.expected).toBeLessThan(20 * 2 ** 30);
  });

  it('keeps to recomputation where that is configured', () => {
    expect(plan('1TiB', { activations: 'recompute' })).toMatchObject({ activations: 'recompute' });
  });

  it('is refused with the figures where nothing fits', () => {
    let error: unknown;
    try {
      plan('4GiB');
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InputError);
    const { code, details } = error as InputError;
    expect(code).toBe('memory-limit');
    expect(details.found).toBe('4GiB');
    const needed = Number(/at least ([\d.]+) GiB/.exec(details.expected!)![1]);
    // What the message asks for is enough, and a little less is not.
    expect(() => plan(`${needed + 0.1}GiB`)).not.toThrow();
    expect(() => plan(`${needed - 0.2}GiB`)).toThrow();
  });

  it("counts an engine's own limit", () => {
    expect(() => plan('1TiB', {}, { processBytes: 2 ** 28, memoryLimitBytes: 3.5 * 2 ** 30 })).toThrow(
      expect.objectContaining({
        details: expect.objectContaining({ found: expect.stringContaining('3.5 GiB') }),
      }),
    );
  });

  it('is told in one line', () => {
    expect(describePlan(plan('1TiB')!, '1TiB')).toMatch(
      /^memory limit 1TiB: activations kept, at most 4096 tokens .* GiB expected$/,
    );
  });

  it.each(['16', '-1GiB', 'GiB', '1e3GiB', '16 apples', '0GiB', ''])('refuses the size %j', (text) => {
    expect(trainingConfigSchema.safeParse({ memoryLimit: text }).success).toBe(false);
    expect(trainingConfigSchema.safeParse({ memoryLimit: '1.5 gib' }).success).toBe(true);
  });
});
