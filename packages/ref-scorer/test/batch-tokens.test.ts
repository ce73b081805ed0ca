import { beforeAll, describe, expect, it } from 'vitest';
import { openEngine, parseModelConfig } from '@selective-dpo/model';
import { batchTokensWithin } from '../src/batch-tokens.js';

const MODEL = parseModelConfig(
  {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_act: 'silu',
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    vocab_size: 50304,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
  },
  'config.json',
);
const ENGINE = { processBytes: 2 ** 28, memoryLimitBytes: undefined };

function tokens(gibibytes: number | undefined, batchTokens?: number): number {
  const memoryLimit = gibibytes === undefined ? undefined : gibibytes * 2 ** 30;
  return batchTokensWithin({ memoryLimit, batchTokens, limits: { maxLength: 256 } }, MODEL, ENGINE);
}

describe('tokens of a scoring batch', () => {
  beforeAll(() => openEngine('cpu'));

  it('are as asked for without a limit, and with one that leaves room', () => {
    expect(tokens(undefined)).toBe(4096);
    expect(tokens(undefined, 8192)).toBe(8192);
    expect(tokens(100)).toBe(4096);
  });

  it('are halved until they fit, never below the longest pair', () => {
    const [some, least] = [tokens(3, 1 << 16), tokens(1.3, 1 << 16)];
    expect(some).toBeLessThan(1 << 16);
    expect(least).toBeLessThanOrEqual(some);
    expect(least).toBeGreaterThanOrEqual(512);
  });

  it('are refused with the figures where nothing fits', () => {
    expect(() => tokens(0.5)).toThrow('scoring does not fit');
  });
});
