import { describe, expect, it } from 'vitest';
import {
  parseModelConfig,
  readModelConfig,
  type JsonObject,
  type ModelConfig,
} from '../../src/files/index.js';
import { problemsOf, tinyConfig, writeTemporary } from './model-fixture.js';
import { sharedIsAbsent, sharedModel } from './shared-data.js';
import { dirname } from 'node:path';

const parse = (changes: JsonObject, without: string[] = []): ModelConfig => {
  const config = { ...tinyConfig, ...changes };
  for (const key of without) Reflect.deleteProperty(config, key);
  return parseModelConfig(config, 'config.json');
};
const mistral = { architectures: ['MistralForCausalLM'], model_type: 'mistral', sliding_window: null };
const qwen = { architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' };
const llama3 = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 16,
};

/** What is wrong, the keys that say so, the code, and the field that the problem must name. */
const refusals: [string, JsonObject, string, string][] = [
  ['another architecture', { architectures: ['GPT2LMHeadModel'] }, 'config-architecture', 'architectures'],
  [
    'an architecture from the prototype',
    { architectures: ['constructor'] },
    'config-architecture',
    'architectures',
  ],
  ['two architectures', { architectures: ['LlamaForCausalLM', 'X'] }, 'config-architecture', 'architectures'],
  [
    'a classifier',
    { architectures: ['LlamaForSequenceClassification'] },
    'config-architecture',
    'architectures',
  ],
  ['another model type', { model_type: 'gemma' }, 'config-architecture', 'model_type'],
  ['a type that is not the architecture', { model_type: 'qwen2' }, 'config-architecture', 'model_type'],
  ['an unknown key', { attention_multiplier: 0.5 }, 'config-unknown-key', 'attention_multiplier'],
  ['an unknown key that is null', { something: null }, 'config-unknown-key', 'something'],
  [
    'a key called __proto__',
    JSON.parse('{"__proto__":{"a":1}}') as JsonObject,
    'config-unknown-key',
    '__proto__',
  ],
  ['quantised weights', { quantization_config: { bits: 4 } }, 'config-unsupported', 'quantization_config'],
  ['its own code', { auto_map: { AutoModel: 'm.M' } }, 'config-unsupported', 'auto_map'],
  ['another activation', { hidden_act: 'gelu' }, 'config-unsupported', 'hidden_act'],
  ['tensor-parallel pretraining', { pretraining_tp: 2 }, 'config-unsupported', 'pretraining_tp'],
  ['partial rotation', { partial_rotary_factor: 0.5 }, 'config-unsupported', 'partial_rotary_factor'],
  ['interleaved rotation', { rope_interleaved: true }, 'config-unsupported', 'rope_interleaved'],
  ['multimodal rotation', { use_mrope: true }, 'config-unsupported', 'use_mrope'],
  ['pruned heads', { pruned_heads: { 0: [1] } }, 'config-unsupported', 'pruned_heads'],
  ['settings of single layers', { per_layer_config: { 0: {} } }, 'config-unsupported', 'per_layer_config'],
  ['an encoder', { is_encoder_decoder: true }, 'config-unsupported', 'is_encoder_decoder'],
  [
    'a layer of another kind',
    { layer_types: ['full_attention', 'sliding_attention'] },
    'config-unsupported',
    'layer_types',
  ],
  ['kinds for too few layers', { layer_types: ['full_attention'] }, 'config-unsupported', 'layer_types'],
  ['a sliding window', { ...mistral, sliding_window: 16 }, 'config-unsupported', 'sliding_window'],
  ['a sliding window in Llama', { sliding_window: 16 }, 'config-unsupported', 'sliding_window'],
  [
    'a sliding window that is on',
    { ...qwen, use_sliding_window: true, sliding_window: 8 },
    'config-unsupported',
    'use_sliding_window',
  ],
  [
    'biases where Mistral has none',
    { ...mistral, attention_bias: true },
    'config-unsupported',
    'attention_bias',
  ],
  [
    'no biases where Qwen2 has some',
    { ...qwen, attention_bias: false },
    'config-unsupported',
    'attention_bias',
  ],
  ['biases in Qwen2’s MLP', { ...qwen, mlp_bias: true }, 'config-unsupported', 'mlp_bias'],
  ['yarn', { rope_scaling: { type: 'yarn', factor: 2 } }, 'config-unsupported', 'rope_scaling.rope_type'],
  [
    'dynamic',
    { rope_scaling: { rope_type: 'dynamic', factor: 2 } },
    'config-unsupported',
    'rope_scaling.rope_type',
  ],
  [
    'longrope',
    { rope_parameters: { rope_type: 'longrope', rope_theta: 1e4 } },
    'config-unsupported',
    'rope_parameters.rope_type',
  ],
  [
    'an attention factor',
    { rope_scaling: { rope_type: 'linear', factor: 2, attention_factor: 2 } },
    'config-unsupported',
    'rope_scaling.attention_factor',
  ],
  [
    'partial rotation within',
    { rope_parameters: { partial_rotary_factor: 0.25 } },
    'config-unsupported',
    'rope_parameters.partial_rotary_factor',
  ],
  [
    'two names of the type',
    { rope_scaling: { type: 'linear', rope_type: 'default', factor: 2 } },
    'config-conflict',
    'rope_scaling.rope_type',
  ],
  [
    'both generations',
    { rope_scaling: { type: 'default' }, rope_parameters: {} },
    'config-conflict',
    'rope_parameters',
  ],
  [
    'two bases',
    { rope_theta: 1e4, rope_parameters: { rope_theta: 5e5 } },
    'config-conflict',
    'rope_parameters.rope_theta',
  ],
  ['settings that are no object', { rope_scaling: 'linear' }, 'config-value', 'rope_scaling'],
  ['linear without a factor', { rope_scaling: { type: 'linear' } }, 'config-missing', 'rope_scaling.factor'],
  [
    'a factor below 1',
    { rope_scaling: { type: 'linear', factor: 0.5 } },
    'config-value',
    'rope_scaling.factor',
  ],
  [
    'llama3 without its context',
    { rope_scaling: { ...llama3, original_max_position_embeddings: null } },
    'config-missing',
    'rope_scaling.original_max_position_embeddings',
  ],
  [
    'llama3 with factors swapped',
    { rope_scaling: { ...llama3, low_freq_factor: 5 } },
    'config-value',
    'rope_scaling.high_freq_factor',
  ],
  ['a base of 0', { rope_theta: 0 }, 'config-value', 'rope_theta'],
  ['no hidden size', { hidden_size: null }, 'config-missing', 'hidden_size'],
  ['a hidden size of 0', { hidden_size: 0 }, 'config-value', 'hidden_size'],
  ['a hidden size as text', { hidden_size: '8' }, 'config-value', 'hidden_size'],
  ['a broken number of layers', { num_hidden_layers: 1.5 }, 'config-value', 'num_hidden_layers'],
  ['too many layers', { num_hidden_layers: 1e6 }, 'config-value', 'num_hidden_layers'],
  ['a huge vocabulary', { vocab_size: 2 ** 40 }, 'config-value', 'vocab_size'],
  [
    'heads that do not divide',
    { num_attention_heads: 3, num_key_value_heads: 3 },
    'config-value',
    'num_attention_heads',
  ],
  [
    'key heads that do not divide',
    { num_key_value_heads: 3, num_attention_heads: 4 },
    'config-value',
    'num_key_value_heads',
  ],
  ['an odd head', { head_dim: 3 }, 'config-value', 'head_dim'],
  ['an odd head by division', { hidden_size: 6 }, 'config-value', 'head_dim'],
  ['an epsilon of 0', { rms_norm_eps: 0 }, 'config-value', 'rms_norm_eps'],
  ['a switch that is a number', { tie_word_embeddings: 1 }, 'config-value', 'tie_word_embeddings'],
  ['EOS beyond the vocabulary', { eos_token_id: [2, 10] }, 'config-value', 'eos_token_id'],
  ['a list of BOS', { bos_token_id: [1] }, 'config-value', 'bos_token_id'],
  ['padding beyond the vocabulary', { pad_token_id: 10 }, 'config-value', 'pad_token_id'],
];

describe('a configuration that asks for something else', () => {
  it.each(refusals)('is refused: %s', async (_, changes, code, field) => {
    const problems = await problemsOf(() => parse(changes));
    expect(problems.map((p) => [p.code, p.details.field])).toEqual([[code, field]]);
    expect(problems[0]!.details).toMatchObject({ file: 'config.json' });
    expect(problems[0]!.details.hint).toBeTruthy();
  });

  it('is refused where Mistral says nothing of its window, for which transformers takes 4096', async () => {
    const changes = { ...mistral, max_position_embeddings: 8192 };
    const [problem] = await problemsOf(() => parse(changes, ['sliding_window']));
    expect(problem).toMatchObject({ code: 'config-unsupported', details: { field: 'sliding_window' } });
    expect(parse({ ...mistral, max_position_embeddings: 4096 }, ['sliding_window']).modelType).toBe(
      'mistral',
    );
  });

  it('has all its problems reported at once', async () => {
    const changes = {
      hidden_act: 'relu',
      hidden_size: -1,
      odd_key: 1,
      quantization_config: {},
      vocab_size: 'x',
    };
    const problems = await problemsOf(() => parse(changes, ['num_hidden_layers']));
    expect(problems.map((p) => p.details.field).sort()).toEqual(
      [...Object.keys(changes), 'num_hidden_layers'].sort(),
    );
  });

  it.each([
    ['a list', '[]', 'config-value'],
    ['not JSON', '{"hidden_size": 8,\n"vocab_size" 10}', 'invalid-json'],
    ['a key twice', '{"hidden_size": 8, "hidden_size": 16}', 'invalid-json'],
  ])('is refused as a file: %s', async (_, text, code) => {
    const path = await writeTemporary(text, 'config.json');
    expect(await problemsOf(() => readModelConfig(dirname(path)))).toMatchObject([
      { code, details: { file: path } },
    ]);
  });

  it('is refused with the line of a mistake in the JSON', async () => {
    const path = await writeTemporary('{"hidden_size": 8,\n"vocab_size" 10}', 'config.json');
    const [problem] = await problemsOf(() => readModelConfig(dirname(path)));
    expect(problem!.details.line).toBe(2);
  });
});

describe('defaults for absent keys', () => {
  it('are those of transformers, family by family', () => {
    expect(
      parse({ num_attention_heads: 4 }, ['num_key_value_heads', 'max_position_embeddings']),
    ).toMatchObject({
      numKeyValueHeads: 4,
      headDim: 2,
      maxPositionEmbeddings: 2048,
      rmsNormEps: 1e-6,
      rope: { theta: 10_000, type: 'default', factor: 1 },
      attentionBias: false,
      attentionOutputBias: false,
      mlpBias: false,
      bosTokenId: 1,
      eosTokenIds: [2],
      padTokenId: undefined,
      initializerRange: 0.02,
    });
    expect(parse({}, ['tie_word_embeddings']).tieWordEmbeddings).toBe(false);
    const sixteen = { hidden_size: 32, num_attention_heads: 16 };
    expect(parse({ ...mistral, ...sixteen }, ['num_key_value_heads']).numKeyValueHeads).toBe(8);
    expect(parse({ ...mistral, ...sixteen, num_key_value_heads: null }).numKeyValueHeads).toBe(16);
    expect(parse(mistral, ['max_position_embeddings']).maxPositionEmbeddings).toBe(131_072);
    const two = { ...qwen, hidden_size: 64, num_attention_heads: 32 };
    expect(parse(two, ['num_key_value_heads', 'max_position_embeddings'])).toMatchObject({
      numKeyValueHeads: 32,
      maxPositionEmbeddings: 32_768,
      attentionBias: true,
      attentionOutputBias: false,
      bosTokenId: undefined,
      eosTokenIds: [],
    });
  });
});

describe('a configuration of either generation', () => {
  it.each<[string, JsonObject, ModelConfig['rope']]>([
    ['4, plain', { rope_theta: 5e5, rope_scaling: null }, { theta: 5e5, type: 'default', factor: 1 }],
    [
      '4, linear, old name',
      { rope_scaling: { type: 'linear', factor: 4 } },
      { theta: 1e4, type: 'linear', factor: 4 },
    ],
    [
      '5, plain',
      { rope_parameters: { rope_type: 'default', rope_theta: 1e6 } },
      { theta: 1e6, type: 'default', factor: 1 },
    ],
    [
      '5, linear',
      { rope_parameters: { rope_type: 'linear', rope_theta: 1e6, factor: 2 } },
      { theta: 1e6, type: 'linear', factor: 2 },
    ],
    [
      '4, llama3',
      { rope_theta: 5e5, rope_scaling: llama3 },
      {
        theta: 5e5,
        type: 'llama3',
        factor: 8,
        lowFreqFactor: 1,
        highFreqFactor: 4,
        originalMaxPositionEmbeddings: 16,
      },
    ],
    [
      'both, agreeing',
      { rope_theta: 5e5, rope_parameters: { rope_theta: 5e5 } },
      { theta: 5e5, type: 'default', factor: 1 },
    ],
  ])('says where positions are: %s', (_, changes, rope) => {
    expect(parse(changes).rope).toEqual(rope);
  });

  it('may carry keys that do not matter', () => {
    const config = parse({
      torch_dtype: 'bfloat16',
      transformers_version: '4.45.0',
      use_cache: true,
      attention_dropout: 0.1,
      pretraining_tp: 1,
      is_llama_config: true,
      rope_interleaved: false,
      'transformers.js_config': { dtype: 'q4' },
      layer_types: ['full_attention', 'full_attention'],
      temperature: 0.6,
      quantization_config: null,
      pad_token_id: -1,
      eos_token_id: [2, 3],
    });
    expect(config).toMatchObject({ padTokenId: undefined, eosTokenIds: [2, 3] });
  });

  it('may be Qwen2 with a window that is off, and Mistral with one as long as the context', () => {
    const off = {
      ...qwen,
      use_sliding_window: false,
      sliding_window: 8,
      max_window_layers: 1,
      use_mrope: false,
    };
    expect(parse(off)).toMatchObject({ architecture: 'Qwen2ForCausalLM', attentionBias: true });
    expect(parse({ ...mistral, sliding_window: 32 }).architecture).toBe('MistralForCausalLM');
  });

  it('keeps the file as read', () => {
    expect(parse({ torch_dtype: 'float16' }).raw).toEqual({ ...tinyConfig, torch_dtype: 'float16' });
  });
});

describe.skipIf(sharedIsAbsent)('real models (skipped where the shared test data are absent)', () => {
  it('reads both generations of one model alike', async () => {
    const old = await readModelConfig(sharedModel('stories260K'));
    const recent = await readModelConfig(sharedModel('stories260K-dpo'));
    expect(recent.padTokenId).toBe(2);
    expect({ ...old, raw: {} }).toEqual({ ...recent, raw: {}, padTokenId: undefined });
    expect(recent.raw['rope_parameters']).toEqual({ rope_theta: 10_000, rope_type: 'default' });
    expect(old).toMatchObject({ hiddenSize: 64, numKeyValueHeads: 4, headDim: 8, rmsNormEps: 1e-5 });
  });
});
