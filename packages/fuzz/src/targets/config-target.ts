/** config.json and generation_config.json of a model directory. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  readGenerationConfig,
  readModelConfig,
  type GenerationConfig,
  type ModelConfig,
} from '@selective-dpo/model';
import { changeBytes } from '../mutation/byte-mutations.js';
import { changeJson } from '../mutation/json-mutations.js';
import { insertOddText, replaceNumber } from '../mutation/text-mutations.js';
import type { FuzzTarget, PreparedTarget } from '../run/target.js';
import { isWhole, plainJson, pollution, sameValue } from './json-oracle.js';

const MUTATIONS = [...Array(6).fill(changeJson), replaceNumber, replaceNumber, insertOddText, changeBytes];

const llama = {
  architectures: ['LlamaForCausalLM'],
  ...{ model_type: 'llama', hidden_size: 64, intermediate_size: 172, num_hidden_layers: 5 },
  ...{ num_attention_heads: 8, num_key_value_heads: 4, vocab_size: 512, max_position_embeddings: 512 },
  ...{ rms_norm_eps: 1e-5, tie_word_embeddings: true, hidden_act: 'silu', torch_dtype: 'float32' },
  ...{ bos_token_id: 1, eos_token_id: 2, rope_theta: 10_000, use_cache: true },
};

const CONFIG_SEEDS = [
  llama,
  {
    ...llama,
    ...{ eos_token_id: [2, 3], head_dim: 16, max_position_embeddings: 8192, rope_theta: 500_000 },
    rope_scaling: {
      ...{ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
      original_max_position_embeddings: 4096,
    },
  },
  { ...llama, rope_scaling: { type: 'linear', factor: 2 }, attention_bias: true, mlp_bias: true },
  { ...llama, architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2', use_sliding_window: false },
  { ...llama, architectures: ['MistralForCausalLM'], model_type: 'mistral', sliding_window: null },
];

/** Fields of the result, the key each comes from, and what it may be. */
const WHOLE: [keyof ModelConfig, string][] = [
  ['hiddenSize', 'hidden_size'],
  ['intermediateSize', 'intermediate_size'],
  ['numHiddenLayers', 'num_hidden_layers'],
  ['numAttentionHeads', 'num_attention_heads'],
  ['numKeyValueHeads', 'num_key_value_heads'],
  ['headDim', 'head_dim'],
  ['vocabSize', 'vocab_size'],
  ['maxPositionEmbeddings', 'max_position_embeddings'],
];

function wrongConfig(config: ModelConfig, input: Buffer): string | undefined {
  const raw = plainJson(input) as Record<string, unknown>;
  if (!sameValue(config.raw, raw)) return 'raw is not what JSON.parse gives';
  for (const [name, key] of WHOLE) {
    if (!isWhole(config[name], 1, 1 << 26)) return `${name} is ${String(config[name])}`;
    const given = Object.hasOwn(raw, key) ? raw[key] : undefined;
    if (given !== undefined && given !== null && given !== config[name])
      return `${name} is not ${String(given)}`;
  }
  if (config.numAttentionHeads % config.numKeyValueHeads !== 0) return 'heads that cannot share their keys';
  if (config.headDim % 2 !== 0) return 'an odd head_dim';
  if (!(config.rmsNormEps > 0 && config.rmsNormEps <= 1)) return `rmsNormEps is ${config.rmsNormEps}`;
  if (!(config.rope.theta > 0 && Number.isFinite(config.rope.theta)))
    return `rope.theta is ${config.rope.theta}`;
  const ids = [config.bosTokenId, config.padTokenId, ...config.eosTokenIds];
  if (ids.some((id) => id !== undefined && !isWhole(id, 0, 2 ** 31))) return `token ids ${ids.join()}`;
  for (const flag of [config.tieWordEmbeddings, config.attentionBias, config.mlpBias]) {
    if (typeof flag !== 'boolean') return `a flag is ${String(flag)}`;
  }
  return pollution();
}

function wrongGeneration(config: GenerationConfig, input: Buffer): string | undefined {
  const raw = plainJson(input) as Record<string, unknown>;
  const numbers: [string, number | undefined, number, number][] = [
    ['temperature', config.temperature, 0, Infinity],
    ['top_p', config.topP, 0, 1],
    ['top_k', config.topK, 0, Infinity],
    ['max_new_tokens', config.maxNewTokens, 0, Infinity],
  ];
  for (const [key, value, least, most] of numbers) {
    const given = Object.hasOwn(raw, key) ? (raw[key] ?? undefined) : undefined;
    if (value !== given) return `${key} is ${String(value)} for ${String(given)}`;
    if (value !== undefined && !(value >= least && value <= most)) return `${key} is ${value}`;
  }
  if (config.eosTokenIds.some((id) => !isWhole(id, 0, 2 ** 31 - 1)))
    return `eos ids ${config.eosTokenIds.join()}`;
  if (config.stopStrings.some((stop) => typeof stop !== 'string')) return 'a stop string that is no text';
  return typeof config.doSample === 'boolean' ? pollution() : `doSample is ${String(config.doSample)}`;
}

/** A JSON file of a name in a folder. */
function prepareFile<Result>(
  name: string,
  seeds: readonly object[],
  read: (folder: string) => Promise<Result>,
  wrong: (result: Result, input: Buffer) => string | undefined,
) {
  return (folder: string): Promise<PreparedTarget> =>
    Promise.resolve({
      seeds: seeds.map((seed) => Buffer.from(JSON.stringify(seed, null, 2))),
      async check(input) {
        await writeFile(join(folder, name), input);
        return wrong(await read(folder), input);
      },
    });
}

export const configTarget: FuzzTarget = {
  ...{ name: 'config', what: 'config.json of a model', memoryMiB: 256, mutations: MUTATIONS },
  prepare: prepareFile('config.json', CONFIG_SEEDS, readModelConfig, wrongConfig),
};

export const generationConfigTarget: FuzzTarget = {
  ...{ name: 'generation-config', what: 'generation_config.json of a model', memoryMiB: 256 },
  mutations: MUTATIONS,
  prepare: prepareFile(
    'generation_config.json',
    [
      { do_sample: true, temperature: 0.6, top_p: 0.9, top_k: 20, eos_token_id: [2, 3], max_new_tokens: 64 },
      { eos_token_id: 2, bos_token_id: 1, pad_token_id: 0, transformers_version: '5', num_beams: 1 },
      { repetition_penalty: 1.1, stop_strings: ['END', '\n'], bad_words_ids: [], suppress_tokens: [3] },
    ],
    readGenerationConfig,
    wrongGeneration,
  ),
};
