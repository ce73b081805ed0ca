import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadPairTokenizer } from '../../src/tokenization/pair-tokenizer.js';
import { inputErrorOf } from '../rows/temporary-folder.js';
import { shared, sharedJson, sharedPath } from '../rows/shared-data.js';
import { CHATML, tokenizerJson, writeModel } from './byte-level-model.js';

const root = mkdtempSync(join(tmpdir(), 'sdpo-tokenizer-'));
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});
let folders = 0;
const model = (files?: Record<string, unknown>): string => writeModel(join(root, String(folders++)), files);
const deep = '['.repeat(100_000) + ']'.repeat(100_000);
const messages = [{ role: 'user', content: 'hi' }];

describe.skipIf(!shared)('real tokenizers (skipped where the shared data is absent)', () => {
  it('stories260K: all 105 texts', async () => {
    const tokenizer = await loadPairTokenizer(sharedPath('models/stories260K'));
    const { vectors } = sharedJson<{ vectors: { text: string; ids: number[] }[] }>(
      'models/stories260K/tokenizer_vectors.json',
    );
    expect(vectors).toHaveLength(105);
    for (const { text, ids } of vectors) {
      expect(tokenizer.encode(text)).toEqual(ids);
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(text);
    }
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.vocabularySize]).toEqual([1, 2, 512]);
  });

  it('neox-20b: all 46 hard texts, edges untouched', async () => {
    const json = readFileSync(sharedPath('tokenizers/neox-20b/20B_tokenizer.json'), 'utf8');
    const directory = model({
      'tokenizer.json': json,
      'tokenizer_config.json': { eos_token: '<|endoftext|>' },
    });
    const tokenizer = await loadPairTokenizer(directory);
    const texts = readFileSync(sharedPath('tokenizers/cases.inp'), 'utf8').split('\n__ggml_vocab_test__\n');
    const lines = readFileSync(sharedPath('tokenizers/neox-20b/cases.out'), 'utf8').split('\n');
    // Both files end with one more line end, which makes a 47th, empty case of no tokens.
    expect([texts.length, lines.length]).toEqual([47, 47]);
    expect(texts.pop()!.trim()).toBe('');
    texts.forEach((text, i) => {
      const ids = lines[i]!.trim().split(' ').filter(Boolean).map(Number);
      expect(tokenizer.encode(text)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(text);
    });
  });
});

describe('loading', () => {
  it('names the file that is missing, and where', async () => {
    const error = await inputErrorOf(() => loadPairTokenizer(model({ 'tokenizer.json': null })));
    expect(error.code).toBe('tokenizer-missing');
    expect(error.details.file).toContain(root);
    const slow = model({ 'tokenizer.json': null, 'tokenizer.model': '\u0001' });
    expect((await inputErrorOf(() => loadPairTokenizer(slow))).details.found).toBe('only tokenizer.model');
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['broken JSON', { 'tokenizer.json': '{' }, 'json-broken'],
    ['a list', { 'tokenizer.json': [] }, 'json-not-object'],
    ['no model', { 'tokenizer.json': {} }, 'tokenizer-unreadable'],
    [
      'an id that would make a table of four thousand million',
      { 'tokenizer.json': { ...tokenizerJson(), model: { type: 'BPE', vocab: { a: 4e9 }, merges: [] } } },
      'tokenizer-unreadable',
    ],
    [
      'an added token without id',
      { 'tokenizer.json': { ...tokenizerJson(), added_tokens: [{ content: 'x' }] } },
      'tokenizer-unreadable',
    ],
    [
      'a model of no known type',
      { 'tokenizer.json': { model: { type: 'X', vocab: {} } } },
      'tokenizer-unreadable',
    ],
    ['no EOS', { 'tokenizer_config.json': {} }, 'eos-token-missing'],
    [
      'an EOS outside the vocabulary',
      { 'tokenizer_config.json': { eos_token: '</s>' } },
      'eos-token-missing',
    ],
    ['a tokenizer nested 100,000 deep', { 'tokenizer.json': `{"added_tokens":${deep}}` }, 'json-broken'],
    ['an unread field nested so', { 'tokenizer.json': `{"model":{"zzz":${deep}}}` }, 'json-broken'],
    [
      'a normalizer that may run for ever',
      {
        'tokenizer.json': {
          ...tokenizerJson(),
          normalizer: {
            type: 'Sequence',
            normalizers: [{ type: 'Replace', pattern: { Regex: '(.*)*\\d{9}$' }, content: '' }],
          },
        },
      },
      'tokenizer-unreadable',
    ],
    [
      'a pre-tokenizer that may run for ever',
      {
        'tokenizer.json': {
          ...tokenizerJson(),
          pre_tokenizer: { type: 'Split', pattern: { Regex: '(a|a)+$' }, behavior: 'Isolated' },
        },
      },
      'tokenizer-unreadable',
    ],
    ['a broken template', { 'chat_template.jinja': '{% for %}' }, 'chat-template-invalid'],
  ])('refuses %s', async (_, files, code) => {
    expect((await inputErrorOf(() => loadPairTokenizer(model(files)))).code).toBe(code);
  });

  /** Faults that show when a text comes by, or ids do: the library takes these sections as they are. */
  it.each<[string, Record<string, unknown>]>([
    ['a post-processor of what is none', { post_processor: { type: 'TemplateProcessing', single: [-1] } }],
    [
      'tokens that are no texts',
      {
        model: { type: 'Unigram', unk_id: 0, vocab: [[7, 0]] },
        ...{ pre_tokenizer: null, decoder: { type: 'WordPiece', prefix: '##', cleanup: true } },
      },
    ],
    [
      'an id for unknown words that is no token',
      { model: { type: 'Unigram', unk_id: -1, vocab: [['a', 0]] }, pre_tokenizer: null },
    ],
    [
      'one beyond the vocabulary',
      { model: { type: 'Unigram', unk_id: 7e8, vocab: [['a', 0]] }, pre_tokenizer: null },
    ],
  ])('refuses %s at the latest when it is used', async (_, sections) => {
    const folder = model({ 'tokenizer.json': { ...tokenizerJson(), ...sections } });
    const error = await inputErrorOf(async () => {
      const tokenizer = await loadPairTokenizer(folder);
      tokenizer.decode(tokenizer.encode('a zebra'));
    });
    expect([error.code, error.details.file]).toEqual([
      'tokenizer-unreadable',
      expect.stringContaining(folder),
    ]);
  });

  it('refuses a device and a pipe in the place of a file, at once', async () => {
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']) {
      const directory = model({ [name]: null });
      symlinkSync('/dev/zero', join(directory, name));
      const error = await inputErrorOf(() => loadPairTokenizer(directory));
      expect([error.code, error.details.file]).toEqual(['not-a-file', join(directory, name)]);
    }
    const piped = model({ 'tokenizer.json': null });
    execFileSync('mkfifo', [join(piped, 'tokenizer.json')]);
    expect((await inputErrorOf(() => loadPairTokenizer(piped))).code).toBe('not-a-file');
  });

  it.each<[string, Record<string, unknown>]>([
    ['special_tokens_map.json', { 'special_tokens_map.json': { eos_token: { content: '<|endoftext|>' } } }],
    ['generation_config.json', { 'generation_config.json': { eos_token_id: [264, 265] } }],
    ['config.json', { 'config.json': { eos_token_id: 264 } }],
  ])('takes EOS from %s where tokenizer_config.json names none', async (_, files) => {
    const tokenizer = await loadPairTokenizer(model({ 'tokenizer_config.json': {}, ...files }));
    expect(tokenizer.eosTokenId).toBe(264);
  });

  it.each<[string, Record<string, unknown>]>([
    [
      'chat_template.jinja before all others',
      { 'chat_template.jinja': 'X', 'chat_template.json': { chat_template: 'Y' } },
    ],
    ['chat_template.json before tokenizer_config.json', { 'chat_template.json': { chat_template: 'X' } }],
    [
      'the default of a list',
      {
        'tokenizer_config.json': {
          eos_token: '<|im_end|>',
          chat_template: [
            { name: 'tool_use', template: 'T' },
            { name: 'default', template: 'X' },
          ],
        },
      },
    ],
  ])('takes %s', async (_, files) => {
    expect((await loadPairTokenizer(model(files))).renderChat(messages)).toBe('X');
  });

  it('prefers a template that is given, and says when there is none', async () => {
    const given = await loadPairTokenizer(model(), { chatTemplate: '{{ messages[0].content }}' });
    expect(given.renderChat(messages)).toBe('hi');
    expect(given.notices).toEqual([]);
    const none = await loadPairTokenizer(model({ 'tokenizer_config.json': { eos_token: '<|im_end|>' } }));
    expect(none.hasChatTemplate).toBe(false);
    expect(none.notices.map((notice) => notice.code)).toEqual(['built-in-rendering']);
    expect(none.fingerprint().chatTemplate).toBe('built-in:human-assistant-1');
    expect((await inputErrorOf(() => none.renderChat(messages))).code).toBe('chat-template-missing');
  });

  it.each<[Record<string, unknown>, number[]]>([
    [{ add_bos_token: true, bos_token: '<|endoftext|>' }, [264, 97]],
    [{ add_bos_token: false, bos_token: '<|endoftext|>' }, [97]],
    [{ add_eos_token: true }, [97, 266]],
    [{}, [97]],
  ])('follows %j', async (settings, ids) => {
    const config = { eos_token: '<|im_end|>', ...settings };
    const tokenizer = await loadPairTokenizer(model({ 'tokenizer_config.json': config }));
    const a = tokenizer.encode('a', { addSpecialTokens: false })[0]!;
    expect(tokenizer.encode('a')).toEqual(ids.map((id) => (id === 97 ? a : id)));
    expect(tokenizer.encode('a', { addSpecialTokens: false })).toEqual([a]);
  });

  it('reads single tokens as they stand in a text', async () => {
    const tokenizer = await loadPairTokenizer(model());
    const text = 'on the ü<|im_end|>';
    const ids = tokenizer.encode(text);
    expect(ids.map((id) => tokenizer.tokenText(id))).toEqual(['o', 'n', ' the', ' ', 'Ã', '¼', '<|im_end|>']);
    expect(tokenizer.decode(ids)).toBe(text);
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('on the ü');
    expect(tokenizer.decode([])).toBe('');
  });
});

describe('fingerprint', () => {
  const base = { eos_token: '<|im_end|>', chat_template: CHATML };
  const of = async (files: Record<string, unknown>): Promise<unknown> =>
    (await loadPairTokenizer(model(files))).fingerprint();

  it('does not see what changes no id', async () => {
    const reference = await of({});
    const vocab = (tokenizerJson()['model'] as { vocab: Record<string, number> }).vocab;
    const reordered = Object.fromEntries(Object.entries(vocab).reverse());
    for (const files of [
      { 'tokenizer_config.json': { ...base, model_max_length: 512, padding_side: 'left' } },
      { 'tokenizer.json': { ...tokenizerJson(), truncation: { max_length: 8 }, padding: { pad_id: 0 } } },
      {
        'tokenizer.json': {
          ...tokenizerJson(),
          model: { ...(tokenizerJson()['model'] as object), vocab: reordered },
        },
      },
      { 'config.json': { eos_token_id: 1, hidden_size: 3 } },
      { 'tokenizer_config.json': { eos_token: '<|im_end|>' }, 'chat_template.jinja': CHATML },
    ]) {
      expect(await of(files)).toEqual(reference);
    }
  });

  it('sees every change that changes ids', async () => {
    const withMerge = tokenizerJson();
    const { vocab, merges } = withMerge['model'] as { vocab: Record<string, number>; merges: string[] };
    withMerge['model'] = { type: 'BPE', vocab, merges: merges.slice(1) };
    const fingerprints = [
      await of({}),
      await of({ 'tokenizer.json': withMerge }),
      await of({ 'tokenizer.json': { ...tokenizerJson(), normalizer: { type: 'NFC' } } }),
      await of({ 'tokenizer_config.json': { ...base, eos_token: '<|endoftext|>' } }),
      await of({ 'tokenizer_config.json': { ...base, bos_token: '<|endoftext|>' } }),
      await of({ 'tokenizer_config.json': { ...base, bos_token: '<|endoftext|>', add_bos_token: true } }),
      await of({ 'chat_template.jinja': `${CHATML} ` }),
    ];
    expect(new Set(fingerprints.map((value) => JSON.stringify(value))).size).toBe(fingerprints.length);
  });

  it('names the instant only of templates that read the clock', async () => {
    const now = (): Date => new Date('2025-07-10T12:00:00Z');
    const clock = await loadPairTokenizer(model(), { chatTemplate: "{{ strftime_now('%Y') }}", now });
    expect(clock.fingerprint().chatTemplateNow).toBe('2025-07-10T12:00:00.000Z');
    expect(clock.renderChat(messages)).toBe('2025');
    expect((await loadPairTokenizer(model(), { now })).fingerprint()).not.toHaveProperty('chatTemplateNow');
  });
});
