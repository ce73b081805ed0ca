/** tokenizer.json and tokenizer_config.json, and what the tokenizer made of them does to texts. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadPairTokenizer, type PairTokenizer } from '@selective-dpo/data';
import { changeBytes } from '../mutation/byte-mutations.js';
import { changeJson } from '../mutation/json-mutations.js';
import type { Mutation } from '../mutation/mutation.js';
import { insertOddText, replaceNumber } from '../mutation/text-mutations.js';
import type { FuzzTarget, PreparedTarget } from '../run/target.js';
import { isWhole, plainJson, pollution } from './json-oracle.js';

const WORDS = ['the', 'cat', 'sat', 'on', 'a', 'mat', 'hello', 'world'];
const special = (id: number, content: string) => ({
  ...{ id, content, special: true, normalized: false, single_word: false, lstrip: false, rstrip: false },
});

/** Letters, then what the merges make of them. */
const LETTERS = [...'abcdefghijklmnopqrstuvwxyz', 'Ġ', '.', '!'];
const MERGES = ['t h', 'th e', 'c a', 'ca t', 'Ġ the', 'o n'];
const BPE_TOKENS = ['<s>', '</s>', ...LETTERS, ...MERGES.map((merge) => merge.replace(' ', ''))];

const byteLevel = {
  version: '1.0',
  added_tokens: [special(0, '<s>'), special(1, '</s>')],
  normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] },
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      {
        type: 'Split',
        pattern: { Regex: ' ?\\p{L}+| ?\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+|\\s+' },
        behavior: 'Isolated',
        invert: false,
      },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } },
  },
  decoder: { type: 'ByteLevel' },
  model: { type: 'BPE', vocab: Object.fromEntries(BPE_TOKENS.map((token, i) => [token, i])), merges: MERGES },
};

const unigram = {
  version: '1.0',
  added_tokens: [special(0, '<unk>'), special(1, '</s>')],
  normalizer: { type: 'Precompiled', precompiled_charsmap: '' },
  pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
  post_processor: null,
  decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
  model: {
    ...{ type: 'Unigram', unk_id: 0 },
    vocab: [
      ['<unk>', 0],
      ['</s>', 0],
      ...[...WORDS.map((word) => `▁${word}`), ...LETTERS, '▁'].map((word, i) => [word, -1 - i / 10]),
    ],
  },
};

const wordPiece = {
  version: '1.0',
  added_tokens: [special(0, '[UNK]'), special(1, '</s>')],
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: null,
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    ...{
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
    },
    vocab: Object.fromEntries(
      ['[UNK]', '</s>', ...WORDS, ...LETTERS, ...LETTERS.map((letter) => `##${letter}`)].map((token, i) => [
        token,
        i,
      ]),
    ),
  },
};

/** Both files in one input: a line each. */
const seedOf = (tokenizer: object, config: object): Buffer =>
  Buffer.from(`${JSON.stringify(tokenizer)}\n${JSON.stringify(config)}`);

const SEEDS: readonly Buffer[] = [
  seedOf(byteLevel, { eos_token: '</s>', bos_token: { content: '<s>' }, add_bos_token: true }),
  seedOf(unigram, { eos_token: '</s>', chat_template: '{% for m in messages %}{{ m.content }}{% endfor %}' }),
  seedOf(wordPiece, { eos_token: '</s>', added_tokens_decoder: { 200: { content: '<x>', special: true } } }),
];

const TEXTS: readonly string[] = [
  'the cat sat on the mat.',
  '',
  ' ',
  'Hello, WORLD! 12345 \n\n\t',
  'é🙂\ud83d',
  'a'.repeat(500),
  `${' '.repeat(300)}x`,
];

/** Ids must be those of tokens that the files name. */
function wrongTokens(tokenizer: PairTokenizer, first: unknown): string | undefined {
  const { model, added_tokens: added } = first as {
    model: { vocab: unknown };
    added_tokens?: { id: number }[];
  };
  const known = new Set<unknown>((added ?? []).map(({ id }) => id));
  if (Array.isArray(model.vocab)) model.vocab.forEach((_, id) => known.add(id));
  else for (const id of Object.values(model.vocab as object)) known.add(id);
  if (!isWhole(tokenizer.vocabularySize, 1, 1 << 22)) return `vocabularySize ${tokenizer.vocabularySize}`;
  if (!isWhole(tokenizer.eosTokenId, 0, tokenizer.vocabularySize - 1))
    return `eosTokenId ${tokenizer.eosTokenId}`;
  for (const text of TEXTS) {
    const ids = tokenizer.encode(text);
    if (!Array.isArray(ids)) return `ids of ${JSON.stringify(text)} are no list`;
    const strange = ids.find(
      (id) => !isWhole(id, 0, tokenizer.vocabularySize - 1) || (!known.has(id) && id < 200),
    );
    if (strange !== undefined) return `id ${String(strange)} in ${JSON.stringify(text.slice(0, 40))}`;
    if (typeof tokenizer.decode(ids) !== 'string') return 'a decoded text is no text';
  }
  const [text] = TEXTS;
  if (tokenizer.encode(text!).join() !== tokenizer.encode(text!).join()) return 'other ids the second time';
  if (typeof tokenizer.tokenText(tokenizer.eosTokenId) !== 'string') return 'a token without a text';
  if (!/^[0-9a-f]{64}$/.test(tokenizer.fingerprint().tokenizer)) return 'a fingerprint that is none';
  return pollution();
}

/** The tokenizer's file mostly, the other one sometimes. */
const onOneFile = (mutation: Mutation): Mutation => {
  return (input, random, pool) => {
    const at = input.indexOf('\n');
    if (at < 0) return mutation(input, random, pool);
    const [first, second] = [input.subarray(0, at), input.subarray(at + 1)];
    return random.below(4) === 0
      ? Buffer.concat([first, Buffer.from('\n'), mutation(second, random, pool)])
      : Buffer.concat([mutation(first, random, pool), Buffer.from('\n'), second]);
  };
};

async function prepare(folder: string): Promise<PreparedTarget> {
  return Promise.resolve({
    seeds: SEEDS,
    async check(input) {
      const at = input.indexOf('\n') < 0 ? input.length : input.indexOf('\n');
      await writeFile(join(folder, 'tokenizer.json'), input.subarray(0, at));
      await writeFile(join(folder, 'tokenizer_config.json'), input.subarray(at + 1));
      const tokenizer = await loadPairTokenizer(folder);
      return wrongTokens(tokenizer, plainJson(input.subarray(0, at)));
    },
  });
}

export const tokenizerTarget: FuzzTarget = {
  ...{ name: 'tokenizer', what: 'tokenizer.json, and texts tokenised by it', memoryMiB: 512 },
  mutations: [
    ...Array(8).fill(onOneFile(changeJson)),
    ...[replaceNumber, insertOddText].map(onOneFile),
    changeBytes,
  ],
  prepare,
};
