/** `generation_config.json` of a Hugging Face model directory: what transformers' `generate` does where nobody says otherwise. */
import { join } from 'node:path';
import { InputError, quoteValue } from '@selective-dpo/foundation';
import { ConfigReader } from './config-reader.js';
import { isJsonObject, readJsonFile, type JsonValue } from './json-text.js';
import { throwProblems } from './problem-list.js';

export const GENERATION_CONFIG_FILE = 'generation_config.json';

const MAX_BYTES = 1 << 20;
const MAX_ID = 2 ** 31 - 1;

export interface GenerationConfig {
  /** Whether to sample; greedy else. */
  doSample: boolean;
  temperature: number | undefined;
  topK: number | undefined;
  topP: number | undefined;
  maxNewTokens: number | undefined;
  /** Any of these ends a text. */
  eosTokenIds: number[];
  stopStrings: string[];
  /** Settings that would change what is generated and are not supported, with their values. */
  ignored: Record<string, JsonValue>;
}

/** Settings that are not supported, and the values with which they do nothing, beside an empty list. */
const NEUTRAL: Record<string, readonly JsonValue[]> = {
  repetition_penalty: [1],
  encoder_repetition_penalty: [1],
  no_repeat_ngram_size: [0],
  num_beams: [1],
  min_p: [0],
  typical_p: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  penalty_alpha: [0],
  min_length: [0],
  min_new_tokens: [0],
  guidance_scale: [1],
  bad_words_ids: [],
  suppress_tokens: [],
  begin_suppress_tokens: [],
  forced_bos_token_id: [],
  forced_eos_token_id: [],
  sequence_bias: [],
};

/**
 * Reads the file; where there is none, everything is undefined or empty.
 * @throws InputError `invalid-json`, …; InputErrors `config-value` with every value that is not allowed.
 */
export async function readGenerationConfig(directory: string): Promise<GenerationConfig> {
  const file = join(directory, GENERATION_CONFIG_FILE);
  let root: JsonValue;
  try {
    root = await readJsonFile(file, MAX_BYTES);
  } catch (error) {
    if (!(error instanceof InputError && error.code === 'file-not-found')) throw error;
    root = {};
  }
  if (!isJsonObject(root)) {
    throw new InputError('config-value', 'the configuration is not an object', {
      file,
      found: quoteValue(root),
      expected: 'a JSON object',
    });
  }
  const reader = new ConfigReader(root, file);
  const optional = (key: string, read: () => number) =>
    reader.value(key) === undefined ? undefined : read();
  const config: GenerationConfig = {
    doSample: reader.boolean('do_sample', false),
    temperature: optional('temperature', () => reader.number('temperature', 1, 0, 100)),
    topK: optional('top_k', () => reader.integer('top_k', 0, 0, MAX_ID)),
    topP: optional('top_p', () => reader.number('top_p', 1, Number.MIN_VALUE, 1)),
    maxNewTokens: optional('max_new_tokens', () => reader.integer('max_new_tokens', 1, 1, MAX_ID)),
    eosTokenIds: idsOf(reader, 'eos_token_id'),
    stopStrings: textsOf(reader, 'stop_strings'),
    ignored: Object.fromEntries(
      Object.entries(NEUTRAL).flatMap(([key, neutral]) => {
        const value = reader.value(key);
        const isNothing =
          value === undefined || (Array.isArray(value) && value.length === 0) || neutral.includes(value);
        return isNothing ? [] : [[key, value]];
      }),
    ),
  };
  throwProblems(reader.problems);
  return config;
}

function idsOf(reader: ConfigReader, key: string): number[] {
  const list = listOf(reader, key);
  const isId = (value: JsonValue): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_ID;
  if (list.every(isId)) return list;
  return refused(reader, key, 'a token id, or a list of them');
}

function textsOf(reader: ConfigReader, key: string): string[] {
  const list = listOf(reader, key);
  if (list.every((value) => typeof value === 'string' && value !== '')) return list as string[];
  return refused(reader, key, 'a text, or a list of texts');
}

function listOf(reader: ConfigReader, key: string): JsonValue[] {
  const value = reader.value(key);
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

function refused(reader: ConfigReader, key: string, expected: string): never[] {
  const found = quoteValue(reader.value(key));
  reader.refuse('config-value', key, 'the value is not allowed', { found, expected });
  return [];
}
