import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadPairTokenizer } from '@selective-dpo/data';
import { describe, expect, it } from 'vitest';
import { AnswerText } from '../src/answer-text.js';
import { StopStrings } from '../src/stop-strings.js';
import { TextStream } from '../src/index.js';

const folder =
  process.env['SELECTIVE_DPO_SHARED'] ?? fileURLToPath(new URL('../../../../shared', import.meta.url));
const required = (process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',').includes('shared');
const model = `${folder}/data/models/stories260K`;

/** A token a byte of UTF-8, as byte-level tokenizers have them. */
const bytes = {
  decode: (ids: Iterable<number>) => Buffer.from([...ids]).toString('utf8'),
};
const idsOf = (text: string): number[] => [...Buffer.from(text)];

function streamed(tokenizer: Pick<Awaited<ReturnType<typeof loadPairTokenizer>>, 'decode'>, ids: number[]) {
  const stream = new TextStream(tokenizer);
  return [...ids.map((id) => stream.push(id)), stream.flush()];
}

describe('TextStream', () => {
  it('gives out whole characters alone, however many bytes they have', () => {
    const text = 'naïve – 日本 👩‍👩‍👧 ok';
    const pieces = streamed(bytes, idsOf(text));
    expect(pieces.join('')).toBe(text);
    expect(pieces.some((piece) => piece.includes('\uFFFD'))).toBe(false);
    // Negative control: token by token it would be full of halves.
    expect(
      idsOf(text)
        .map((id) => bytes.decode([id]))
        .join(''),
    ).toContain('\uFFFD');
  });

  it('does not wait for ever for bytes that make no character', () => {
    const ids = [...idsOf('a'), ...new Array<number>(40).fill(0x80), ...idsOf('b')];
    const pieces = streamed(bytes, ids);
    expect(pieces.join('')).toBe(bytes.decode(ids));
    expect(pieces.slice(0, 30).join('').length).toBeGreaterThan(5);
  });

  it('gives out what is held when the text ends in the middle of a character', () => {
    expect(streamed(bytes, idsOf('日').slice(0, 2)).join('')).toBe(bytes.decode(idsOf('日').slice(0, 2)));
  });

  it.skipIf(!existsSync(model) && !required)(
    'equals the text of all tokens, SentencePiece with byte fallback',
    async () => {
      const tokenizer = await loadPairTokenizer(model);
      const { vectors } = JSON.parse(readFileSync(`${model}/tokenizer_vectors.json`, 'utf8')) as {
        vectors: { text: string; ids: number[] }[];
      };
      for (const { ids } of vectors) {
        expect(streamed(tokenizer, ids).join('')).toBe(tokenizer.decode(ids, { skipSpecialTokens: true }));
      }
      expect(vectors.length).toBeGreaterThan(100);
    },
  );

  it.skipIf(!existsSync(model) && !required)('goes on from a prompt with the space between', async () => {
    const tokenizer = await loadPairTokenizer(model);
    const ids = tokenizer.encode('Once upon a time there was', { addSpecialTokens: false });
    const stream = new TextStream(tokenizer, ids.slice(0, 2));
    expect(
      ids
        .slice(2)
        .map((id) => stream.push(id))
        .join(''),
    ).toBe(' a time there was');
    expect(streamed(tokenizer, ids.slice(2)).join('')).toBe('a time there was');
  });
});

describe('StopStrings', () => {
  const run = (stops: string[], pieces: string[]) => {
    const strings = new StopStrings(stops);
    const given: string[] = [];
    for (const piece of pieces) {
      const { text, stopped } = strings.push(piece);
      given.push(text);
      if (stopped) return { given, stopped };
    }
    return { given: [...given, strings.flush()], stopped: false };
  };

  it('finds one that comes in pieces, and gives out nothing of it', () => {
    const { given, stopped } = run(['\n\nHuman:'], ['Hello', ' there\n', '\nHu', 'man: more']);
    expect([given.join(''), stopped]).toEqual(['Hello there', true]);
  });

  it('gives out what only looked like one, at the latest at the end', () => {
    expect(run(['\n\nHuman:'], ['a\n', '\nHu', 'go']).given).toEqual(['a', '', '\n\nHugo', '']);
    expect(run(['END'], ['the E', 'N']).given).toEqual(['the ', '', 'EN']);
  });

  it('ends at the first of several, wherever they begin', () => {
    expect(run(['cd', 'b'], ['abcd']).given).toEqual(['a']);
    expect(run(['aab'], ['aa', 'ab']).given.join('')).toBe('a');
  });

  it('lets everything through where there is none', () => {
    expect(run([], ['a', 'b']).given).toEqual(['a', 'b', '']);
  });
});

describe('AnswerText', () => {
  it('finds a stop string in what was held to the end, too', () => {
    const pieces: string[] = [];
    const text = new AnswerText(bytes, [], ['\uFFFD'], (piece) => pieces.push(piece));
    expect([...idsOf('ab'), 0xe6].map((id) => text.push(id))).toEqual([false, false, false]);
    expect(text.end()).toBe(true);
    expect([text.text, pieces]).toEqual(['ab', ['a', 'b']]);
  });
});
