/** The tokenizer files of a Hugging Face model directory, and which of them decides what. */
import { join } from 'node:path';
import { InputError, quoteValue, requireFolder } from '@selective-dpo/foundation';
import { readJsonIfPresent, readTextIfPresent } from './json-file.js';
import { refuseRunawayPatterns } from './runaway-pattern.js';

/** Largest token id accepted: far above any vocabulary, low enough that tables of it fit in memory. */
export const MAX_TOKEN_ID = (1 << 22) - 1;

/** Sections of tokenizer.json that may hold regular expressions. */
const PATTERN_SECTIONS = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'];

const MODEL_TYPES = ['BPE', 'Unigram', 'WordPiece'];

type JsonObject = Record<string, unknown>;

export interface TokenizerFiles {
  /** tokenizer.json, with the sections the library wants and the tokens only tokenizer_config.json names. */
  tokenizer: JsonObject & { model: JsonObject; added_tokens: JsonObject[] };
  config: JsonObject;
  /** Texts of the special tokens, where the files name them. */
  bosToken: string | undefined;
  eosToken: string | undefined;
  /** Ids from generation_config.json or config.json, for tokenizers that name no token. */
  bosTokenId: number | undefined;
  eosTokenId: number | undefined;
  /** The default chat template and the file it stands in. */
  chatTemplate: { source: string; file: string } | undefined;
  /** Number of ids: the largest id plus one. */
  vocabularySize: number;
}

/**
 * Reads tokenizer.json, tokenizer_config.json, special_tokens_map.json, the chat template and the token ids of
 * generation_config.json and config.json.
 * @throws InputError `tokenizer-missing`, `tokenizer-unreadable`, `json-broken`, or the file system's.
 */
export async function readTokenizerFiles(directory: string): Promise<TokenizerFiles> {
  const path = (name: string): string => join(directory, name);
  const tokenizer = await readJsonIfPresent(path('tokenizer.json'));
  if (tokenizer === undefined) throw await missing(directory);
  const config = (await readJsonIfPresent(path('tokenizer_config.json'))) ?? {};
  const specialTokens = (await readJsonIfPresent(path('special_tokens_map.json'))) ?? {};
  const modelConfigs = [
    (await readJsonIfPresent(path('generation_config.json'))) ?? {},
    (await readJsonIfPresent(path('config.json'))) ?? {},
  ];
  const checked = checkTokenizer(tokenizer, config, path('tokenizer.json'));
  return {
    ...checked,
    config,
    bosToken: tokenName('bos_token', config, specialTokens),
    eosToken: tokenName('eos_token', config, specialTokens),
    bosTokenId: tokenId('bos_token_id', modelConfigs),
    eosTokenId: tokenId('eos_token_id', modelConfigs),
    chatTemplate: await findChatTemplate(directory, config),
  };
}

async function missing(directory: string): Promise<InputError> {
  await requireFolder(directory, 'the folder of a Hugging Face model');
  const slow = ['tokenizer.model', 'vocab.json', 'spiece.model'];
  let other: string | undefined;
  for (const name of slow) {
    if (other === undefined && (await readTextPresence(join(directory, name)))) other = name;
  }
  return new InputError('tokenizer-missing', 'there is no tokenizer.json', {
    file: directory,
    ...(other === undefined ? {} : { found: `only ${other}` }),
    expected: 'tokenizer.json, as transformers saves it for every fast tokenizer',
    hint:
      other === undefined
        ? 'give the folder of a Hugging Face model, or copy its tokenizer files there'
        : 'convert it with AutoTokenizer.from_pretrained(…).save_pretrained(…) in transformers',
  });
}

async function readTextPresence(path: string): Promise<boolean> {
  try {
    return (await readTextIfPresent(path)) !== undefined;
  } catch {
    return true; // It is there, though no text (tokenizer.model is binary).
  }
}

function checkTokenizer(
  raw: JsonObject,
  config: JsonObject,
  file: string,
): Pick<TokenizerFiles, 'tokenizer' | 'vocabularySize'> {
  const model = raw['model'];
  if (!isObject(model)) throw unreadable(file, 'model', model, 'an object');
  const type = model['type'];
  // The library takes an unknown type for a list of whole words. Old files leave BPE unnamed.
  if (type === undefined ? !Array.isArray(model['merges']) : !MODEL_TYPES.includes(String(type))) {
    throw unreadable(file, 'model.type', type ?? null, MODEL_TYPES.join(', '));
  }
  for (const field of PATTERN_SECTIONS) refuseRunawayPatterns(raw[field], field, file);
  const listed = raw['added_tokens'] ?? [];
  if (!Array.isArray(listed)) throw unreadable(file, 'added_tokens', listed, 'a list');
  const added = listed.map((token: unknown) => checkAddedToken(token, file));
  const contents = new Set(added.map((token) => token['content']));
  for (const token of configTokens(config)) {
    if (!contents.has(token['content'])) added.push(checkAddedToken(token, file));
  }
  let largest = -1;
  const count = (id: unknown): void => {
    if (!isTokenId(id)) throw unreadable(file, 'model.vocab', id, `token ids from 0 to ${MAX_TOKEN_ID}`);
    if (id > largest) largest = id;
  };
  const vocab = model['vocab'];
  if (Array.isArray(vocab)) vocab.forEach((_, id) => count(id));
  else if (isObject(vocab)) Object.values(vocab).forEach(count);
  else throw unreadable(file, 'model.vocab', vocab, 'an object or a list');
  for (const token of added) count(token['id']);
  const tokenizer = {
    ...{ normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null },
    ...raw,
    model,
    added_tokens: added,
  };
  return { tokenizer, vocabularySize: largest + 1 };
}

function checkAddedToken(token: unknown, file: string): JsonObject {
  if (!isObject(token) || typeof token['content'] !== 'string' || !isTokenId(token['id'])) {
    throw unreadable(file, 'added_tokens', token, 'objects with content and id');
  }
  return token;
}

/** transformers adds the tokens of tokenizer_config.json's `added_tokens_decoder` that tokenizer.json lacks. */
function configTokens(config: JsonObject): JsonObject[] {
  const decoder = config['added_tokens_decoder'];
  if (!isObject(decoder)) return [];
  return Object.entries(decoder).flatMap(([id, token]) =>
    isObject(token) ? [{ ...token, id: Number(id) }] : [],
  );
}

function isTokenId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_TOKEN_ID;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unreadable(file: string, field: string, found: unknown, expected: string): InputError {
  return new InputError('tokenizer-unreadable', 'the tokenizer cannot be read', {
    file,
    field,
    found: quoteValue(found),
    expected,
    hint: 'download the file again',
  });
}

/** A special token's text: tokenizer_config.json first, then special_tokens_map.json; a text or an AddedToken. */
function tokenName(name: string, ...sources: JsonObject[]): string | undefined {
  for (const source of sources) {
    const value = source[name];
    if (typeof value === 'string') return value;
    if (isObject(value) && typeof value['content'] === 'string') return value['content'];
  }
  return undefined;
}

/** A token id of a model's configuration; of a list the first. */
function tokenId(name: string, sources: JsonObject[]): number | undefined {
  for (const source of sources) {
    const value: unknown = Array.isArray(source[name]) ? source[name][0] : source[name];
    if (isTokenId(value)) return value;
  }
  return undefined;
}

/** chat_template.jinja, then chat_template.json, then tokenizer_config.json: the order of transformers. */
async function findChatTemplate(
  directory: string,
  config: JsonObject,
): Promise<TokenizerFiles['chatTemplate']> {
  const jinja = join(directory, 'chat_template.jinja');
  const text = await readTextIfPresent(jinja);
  if (text !== undefined) return { source: text, file: jinja };
  const json = join(directory, 'chat_template.json');
  const separate = defaultTemplate((await readJsonIfPresent(json))?.['chat_template']);
  if (separate !== undefined) return { source: separate, file: json };
  const inline = defaultTemplate(config['chat_template']);
  return inline === undefined
    ? undefined
    : { source: inline, file: join(directory, 'tokenizer_config.json') };
}

/** A template is a text, or a list of named ones of which `default` counts. */
function defaultTemplate(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named: unknown = value.find((item) => isObject(item) && item['name'] === 'default');
  return isObject(named) && typeof named['template'] === 'string' ? named['template'] : undefined;
}
