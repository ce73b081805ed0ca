/**
 * `config.json` of a Hugging Face model directory. Reading is strict: what is not known to leave the forward pass as
 * implemented is refused by name, and all problems are reported at once.
 */
import { join } from 'node:path';
import { InputError, quoteValue } from '@selective-dpo/foundation';
import { HARMLESS_KEYS, RESTRICTED_KEYS, USED_KEYS } from './config-keys.js';
import { ConfigReader } from './config-reader.js';
import { isJsonObject, readJsonFile, type JsonObject, type JsonValue } from './json-text.js';
import { throwProblems } from './problem-list.js';
import { readRopeConfig, type RopeConfig } from './rope-config.js';

export const CONFIG_FILE = 'config.json';

const MAX_CONFIG_BYTES = 8 << 20;

export type Architecture = 'LlamaForCausalLM' | 'MistralForCausalLM' | 'Qwen2ForCausalLM';

/** A decoder-only model of the Llama family: RMSNorm before each part, rotary positions, grouped-query attention, SwiGLU. */
export interface ModelConfig {
  architecture: Architecture;
  modelType: string;
  /** Width of the residual stream. */
  hiddenSize: number;
  /** Inner width of the MLP. */
  intermediateSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  /** Divides numAttentionHeads. */
  numKeyValueHeads: number;
  /** Even. numAttentionHeads · headDim need not equal hiddenSize. */
  headDim: number;
  vocabSize: number;
  /** Longest sequence, tokens. */
  maxPositionEmbeddings: number;
  rmsNormEps: number;
  rope: RopeConfig;
  /** The head multiplies by the transposed embedding. */
  tieWordEmbeddings: boolean;
  /** Biases on the query, key and value projections. */
  attentionBias: boolean;
  /** Bias on the attention's output projection. */
  attentionOutputBias: boolean;
  /** Biases on the three projections of the MLP. */
  mlpBias: boolean;
  hiddenAct: 'silu';
  bosTokenId: number | undefined;
  /** Any of these ends a text; may be empty. */
  eosTokenIds: number[];
  padTokenId: number | undefined;
  /** Standard deviation for freshly made weights. */
  initializerRange: number;
  /** The file as read. */
  raw: JsonObject;
}

/** What transformers assumes where a key is absent. */
interface Family {
  modelType: string;
  /** For an absent key; null means one for every attention head, and so does a key that is there and null. */
  numKeyValueHeads: number | null;
  maxPositionEmbeddings: number;
  /** BOS and EOS. */
  specialTokens: [number, number] | undefined;
  biases: 'configurable' | 'none' | 'query-key-value';
}

const FAMILIES: Record<Architecture, Family> = {
  LlamaForCausalLM: {
    modelType: 'llama',
    numKeyValueHeads: null,
    maxPositionEmbeddings: 2048,
    specialTokens: [1, 2],
    biases: 'configurable',
  },
  MistralForCausalLM: {
    modelType: 'mistral',
    numKeyValueHeads: 8,
    maxPositionEmbeddings: 131_072,
    specialTokens: [1, 2],
    biases: 'none',
  },
  Qwen2ForCausalLM: {
    modelType: 'qwen2',
    numKeyValueHeads: 32,
    maxPositionEmbeddings: 32_768,
    specialTokens: undefined,
    biases: 'query-key-value',
  },
};

const SUPPORTED = Object.entries(FAMILIES)
  .map(([architecture, { modelType }]) => `${architecture} (${modelType})`)
  .join(', ');

/** Sanity limits, several times beyond the largest models of these families. */
const MAX = { hidden: 65_536, intermediate: 1_048_576, layers: 1024, heads: 1024, headDim: 1024 };
const MAX_VOCAB = 4_194_304;
const MAX_POSITIONS = 1 << 26;

/**
 * Reads `config.json` of a model directory.
 * @throws InputError `file-not-found`, `invalid-json`; InputErrors as {@link parseModelConfig}.
 */
export async function readModelConfig(directory: string): Promise<ModelConfig> {
  const file = join(directory, CONFIG_FILE);
  return parseModelConfig(await readJsonFile(file, MAX_CONFIG_BYTES), file);
}

/**
 * Checks a parsed `config.json`. The sizes of the model have to be there; for other absent keys the defaults of
 * transformers hold.
 * @throws InputErrors of `config-architecture`, `config-unknown-key`, `config-unsupported`, `config-missing`,
 *   `config-value`, `config-conflict`: everything that is wrong, at once.
 */
export function parseModelConfig(root: JsonValue, file: string): ModelConfig {
  if (!isJsonObject(root)) {
    throw new InputError('config-value', 'the configuration is not an object', {
      file,
      found: quoteValue(root),
      expected: 'a JSON object',
    });
  }
  const reader = new ConfigReader(root, file);
  const architecture = readArchitecture(reader);
  checkKeys(reader, root);
  const config = readFields(reader, root, architecture);
  checkAttentionPattern(reader, config);
  throwProblems(reader.problems);
  return config;
}

function readArchitecture(reader: ConfigReader): Architecture {
  const listed = reader.value('architectures');
  const modelType = reader.value('model_type');
  const name = Array.isArray(listed) && listed.length === 1 ? listed[0] : undefined;
  const byName =
    typeof name === 'string' && Object.hasOwn(FAMILIES, name) ? (name as Architecture) : undefined;
  if (byName === undefined) {
    reader.refuse('config-architecture', 'architectures', 'this architecture is not supported', {
      found: quoteValue(listed),
      expected: `one of ${SUPPORTED}`,
    });
  }
  const byType = (Object.keys(FAMILIES) as Architecture[]).find((a) => FAMILIES[a].modelType === modelType);
  if (byType === undefined || (byName !== undefined && byName !== byType)) {
    reader.refuse('config-architecture', 'model_type', 'this model type is not supported', {
      found: quoteValue(modelType),
      expected: byName === undefined ? `one of ${SUPPORTED}` : FAMILIES[byName].modelType,
    });
  }
  return byName ?? byType ?? 'LlamaForCausalLM';
}

function checkKeys(reader: ConfigReader, root: JsonObject): void {
  for (const [key, value] of Object.entries(root)) {
    if (USED_KEYS.has(key) || HARMLESS_KEYS.has(key)) continue;
    const restriction = RESTRICTED_KEYS.get(key);
    if (restriction === undefined) {
      reader.refuse(
        'config-unknown-key',
        key,
        'this key is not known and might change what the model computes',
        {
          found: quoteValue(value),
          hint: 'remove the key if you know that it does not matter for the forward pass',
        },
      );
    } else if (!restriction.allowed(value)) {
      reader.refuse('config-unsupported', key, 'the model asks for something that is not supported', {
        found: quoteValue(value),
        expected: restriction.expected,
      });
    }
  }
}

function readFields(reader: ConfigReader, raw: JsonObject, architecture: Architecture): ModelConfig {
  const family = FAMILIES[architecture];
  const hiddenSize = reader.integer('hidden_size', undefined, 1, MAX.hidden);
  const numAttentionHeads = reader.integer('num_attention_heads', undefined, 1, MAX.heads);
  const vocabSize = reader.integer('vocab_size', undefined, 1, MAX_VOCAB);
  const positions = reader.integer('max_position_embeddings', family.maxPositionEmbeddings, 1, MAX_POSITIONS);
  const biases = readBiases(reader, family);
  const act = reader.value('hidden_act') ?? 'silu';
  if (act !== 'silu') {
    reader.refuse('config-unsupported', 'hidden_act', 'this activation is not supported', {
      found: quoteValue(act),
      expected: '"silu"',
    });
  }
  return {
    architecture,
    modelType: family.modelType,
    hiddenSize,
    intermediateSize: reader.integer('intermediate_size', undefined, 1, MAX.intermediate),
    numHiddenLayers: reader.integer('num_hidden_layers', undefined, 1, MAX.layers),
    numAttentionHeads,
    numKeyValueHeads: readKeyValueHeads(reader, family, numAttentionHeads),
    headDim: readHeadDim(reader, hiddenSize, numAttentionHeads),
    vocabSize,
    maxPositionEmbeddings: positions,
    rmsNormEps: reader.number('rms_norm_eps', 1e-6, Number.MIN_VALUE, 1),
    rope: readRopeConfig(reader, positions),
    tieWordEmbeddings: reader.boolean('tie_word_embeddings', false),
    ...biases,
    hiddenAct: 'silu',
    ...readSpecialTokens(reader, family, vocabSize),
    initializerRange: reader.number('initializer_range', 0.02, 0, 1),
    raw,
  };
}

function readKeyValueHeads(reader: ConfigReader, family: Family, numAttentionHeads: number): number {
  const perHead = reader.has('num_key_value_heads') || family.numKeyValueHeads === null;
  const fallback = perHead ? numAttentionHeads : family.numKeyValueHeads!;
  const heads = reader.integer('num_key_value_heads', fallback, 1, MAX.heads);
  if (reader.sound('num_attention_heads', 'num_key_value_heads') && numAttentionHeads % heads !== 0) {
    reader.refuse('config-value', 'num_key_value_heads', 'the attention heads cannot share so many keys', {
      found: String(heads),
      expected: `a divisor of num_attention_heads, ${numAttentionHeads}`,
    });
  }
  return heads;
}

function readHeadDim(reader: ConfigReader, hiddenSize: number, numAttentionHeads: number): number {
  const given = reader.value('head_dim') !== undefined;
  if (!given && !reader.sound('hidden_size', 'num_attention_heads')) return 2;
  if (!given && hiddenSize % numAttentionHeads !== 0) {
    reader.refuse('config-value', 'num_attention_heads', 'the hidden size cannot be split among the heads', {
      found: `${numAttentionHeads} heads, hidden_size ${hiddenSize}`,
      expected: 'a divisor of hidden_size, or head_dim given',
    });
    return 2;
  }
  const headDim = reader.integer('head_dim', hiddenSize / numAttentionHeads, 1, MAX.headDim);
  if (reader.sound('head_dim') && (headDim % 2 !== 0 || headDim > MAX.headDim)) {
    reader.refuse('config-value', 'head_dim', 'the width of a head is not possible with rotary positions', {
      found: String(headDim),
      expected: `an even number up to ${MAX.headDim}`,
    });
  }
  return headDim;
}

function readBiases(
  reader: ConfigReader,
  { biases, modelType }: Family,
): Pick<ModelConfig, 'attentionBias' | 'attentionOutputBias' | 'mlpBias'> {
  const fixed = biases === 'query-key-value';
  const attention = reader.boolean('attention_bias', fixed);
  const mlp = reader.boolean('mlp_bias', false);
  if (biases === 'configurable') {
    return { attentionBias: attention, attentionOutputBias: attention, mlpBias: mlp };
  }
  // transformers ignores these keys for the two families; a file that contradicts the architecture is a different model.
  const given: [string, boolean, boolean][] = [
    ['attention_bias', attention, fixed],
    ['mlp_bias', mlp, false],
  ];
  for (const [key, value, expected] of given) {
    if (value === expected) continue;
    reader.refuse('config-unsupported', key, `models of type ${modelType} have other biases`, {
      found: String(value),
      expected: String(expected),
    });
  }
  return { attentionBias: fixed, attentionOutputBias: false, mlpBias: false };
}

function readSpecialTokens(
  reader: ConfigReader,
  family: Family,
  vocabSize: number,
): Pick<ModelConfig, 'bosTokenId' | 'eosTokenIds' | 'padTokenId'> {
  const read = (key: string, values: JsonValue[], lowest: number): number[] => {
    if (!reader.sound('vocab_size')) return [];
    const wrong = values.find(
      (id) => !Number.isInteger(id) || Number(id) < lowest || Number(id) >= vocabSize,
    );
    if (wrong === undefined) return values as number[];
    reader.refuse('config-value', key, 'a special token is not in the vocabulary', {
      found: quoteValue(wrong),
      expected: `a token id from ${lowest} to ${vocabSize - 1}`,
    });
    return [];
  };
  const list = (key: string, fallback: number | undefined): JsonValue[] => {
    const value = reader.value(key);
    if (value !== undefined) return Array.isArray(value) && key === 'eos_token_id' ? value : [value];
    return reader.has(key) || fallback === undefined || fallback >= vocabSize ? [] : [fallback];
  };
  // Old Llama files say −1 for "no padding token".
  const pad = read('pad_token_id', list('pad_token_id', undefined), -1).filter((id) => id >= 0);
  return {
    bosTokenId: read('bos_token_id', list('bos_token_id', family.specialTokens?.[0]), 0)[0],
    eosTokenIds: read('eos_token_id', list('eos_token_id', family.specialTokens?.[1]), 0),
    padTokenId: pad[0],
  };
}

/** Attention has to reach back over the whole context in every layer. */
function checkAttentionPattern(reader: ConfigReader, config: ModelConfig): void {
  const types = reader.value('layer_types');
  const full =
    Array.isArray(types) &&
    types.length === config.numHiddenLayers &&
    types.every((type) => type === 'full_attention');
  if (types !== undefined && !full && reader.sound('num_hidden_layers')) {
    reader.refuse('config-unsupported', 'layer_types', 'not every layer attends to the whole context', {
      found: quoteValue(types),
      expected: `${config.numHiddenLayers} times "full_attention"`,
    });
  }
  if (reader.boolean('use_sliding_window', false)) {
    reader.refuse('config-unsupported', 'use_sliding_window', 'sliding-window attention is not supported', {
      found: 'true',
      expected: 'false',
    });
  }
  checkSlidingWindow(reader, config);
}

function checkSlidingWindow(reader: ConfigReader, config: ModelConfig): void {
  const window = reader.value('sliding_window');
  // Qwen2 has a switch of its own, and keeps a window there that is off; Llama never looks at one.
  if (config.architecture === 'Qwen2ForCausalLM') return;
  const absent = !reader.has('sliding_window') && config.architecture === 'MistralForCausalLM';
  if (window === undefined && !absent) return;
  const size = absent ? 4096 : window;
  // A window as long as the context never hides anything.
  if (typeof size === 'number' && size >= config.maxPositionEmbeddings) return;
  reader.refuse('config-unsupported', 'sliding_window', 'sliding-window attention is not supported', {
    found: absent ? 'no such key, for which transformers takes 4096' : quoteValue(window),
    expected: 'null, or at least max_position_embeddings',
  });
}
