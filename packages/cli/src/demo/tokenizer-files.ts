/**
 * The demo's tokenizer in Hugging Face's format: every word of the café is one token, every other word is spelled letter
 * by letter. The model type is BPE without merges and with `ignore_merges`, which looks whole words up first; that is
 * what both the Rust library and its JavaScript counterpart understand (the latter knows no WordLevel model).
 */
import { CURT_CLOSERS, CURT_OPENERS, POLITE_CLOSERS, POLITE_OPENERS, TOTAL_PHRASINGS } from './answers.js';
import { ITEMS, NUMBER_WORDS } from './orders.js';
import { capitalise, LIST_JOINTS, PROMPT_PHRASINGS, tableText, TO_GO_PHRASINGS } from './prompts.js';

/** Ids follow this order from 0. */
export const SPECIAL_TOKENS = ['<unk>', '<s>', '</s>', '<pad>', '<|user|>', '<|assistant|>'] as const;
export const BOS_TOKEN_ID = 1;
export const EOS_TOKEN_ID = 2;
export const PAD_TOKEN_ID = 3;

/** Longest prompt and answer of the demo in tokens, special tokens included. */
export const MAX_PROMPT_TOKENS = 32;
export const MAX_ANSWER_TOKENS = 32;

/** What a space becomes, as in SentencePiece. */
const SPACE_MARK = '\u2581';
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const CHARACTERS = `${SPACE_MARK}${LETTERS}${LETTERS.toUpperCase()}0123456789.,:;!?'"()-`;

/** Roles as special tokens; an answer ends with EOS, and the text begins with BOS. */
const CHAT_TEMPLATE =
  '{{ bos_token }}{% for message in messages %}' +
  "{% if message['role'] == 'user' %}{{ '<|user|>' + message['content'] }}" +
  "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>' + message['content'] + eos_token }}" +
  "{% else %}{{ raise_exception('the demo knows the roles user and assistant only') }}{% endif %}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/** All tokens, the index being the id: special tokens, characters, words in alphabetical order. */
export function demoVocabulary(): string[] {
  const phrases = [
    ...[PROMPT_PHRASINGS, TO_GO_PHRASINGS, LIST_JOINTS, TOTAL_PHRASINGS, NUMBER_WORDS, ITEMS.flat()].flat(),
    ...[POLITE_OPENERS, CURT_OPENERS, POLITE_CLOSERS, CURT_CLOSERS].flat(),
    tableText(1),
    'items',
  ].map((phrase) => phrase.replace(/\{\w+\}/g, ' '));
  const starts = [tableText(1), ...TO_GO_PHRASINGS, ...NUMBER_WORDS].map(capitalise);
  const words = new Set([...phrases, ...starts].flatMap((phrase) => phrase.match(/[A-Za-z]+/g) ?? []));
  const marked = [...words].map((word) => SPACE_MARK + word).sort();
  return [...SPECIAL_TOKENS, ...CHARACTERS, ...marked];
}

/** File names and JSON values: tokenizer.json, tokenizer_config.json, special_tokens_map.json. */
export function demoTokenizerFiles(): Record<string, unknown> {
  const special = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>' };
  return {
    'tokenizer.json': tokenizerJson(),
    'tokenizer_config.json': {
      tokenizer_class: 'PreTrainedTokenizerFast',
      ...special,
      model_max_length: MAX_PROMPT_TOKENS + MAX_ANSWER_TOKENS,
      clean_up_tokenization_spaces: false,
      chat_template: CHAT_TEMPLATE,
    },
    'special_tokens_map.json': special,
  };
}

function tokenizerJson(): unknown {
  // Spelled out as in Llama's files: the two libraries split differently at a Metaspace component.
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: SPACE_MARK };
  const words = {
    type: 'Split',
    pattern: { Regex: `${SPACE_MARK}?[A-Za-z]+` },
    behavior: 'Isolated',
    invert: false,
  };
  const bos = { SpecialToken: { id: '<s>', type_id: 0 } };
  const sequence = (id: string): unknown => ({ Sequence: { id, type_id: 0 } });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: SPACE_MARK }, spaces] },
    pre_tokenizer: words,
    post_processor: {
      type: 'TemplateProcessing',
      single: [bos, sequence('A')],
      pair: [bos, sequence('A'), sequence('B')],
      special_tokens: { '<s>': { id: '<s>', ids: [BOS_TOKEN_ID], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: SPACE_MARK }, content: ' ' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: true,
      vocab: Object.fromEntries(demoVocabulary().map((token, id) => [token, id])),
      merges: [],
    },
  };
}
