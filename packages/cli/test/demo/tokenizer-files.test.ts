import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import {
  BOS_TOKEN_ID,
  demoTokenizerFiles,
  demoVocabulary,
  dialogues,
  EOS_TOKEN_ID,
  MAX_ANSWER_TOKENS,
  MAX_PROMPT_TOKENS,
  PAD_TOKEN_ID,
  preferenceRows,
  SPECIAL_TOKENS,
} from '../../src/demo/index.js';

const files = demoTokenizerFiles() as Record<string, object>;
const tokenizer = new Tokenizer(files['tokenizer.json']!, files['tokenizer_config.json']!);
const vocabulary = demoVocabulary();
const encode = (text: string): number[] => [...tokenizer.encode(text, { add_special_tokens: false }).ids];
const isWhole = (id: number): boolean =>
  id < SPECIAL_TOKENS.length || /^(\u2581[A-Za-z]{2,}|\u2581[Ia]|[.,:!?])$/.test(vocabulary[id]!);

describe('the tokenizer', () => {
  it('has at most 400 tokens, each once, special tokens first', () => {
    expect(vocabulary.length).toBeLessThanOrEqual(400);
    expect(new Set(vocabulary).size).toBe(vocabulary.length);
    expect([BOS_TOKEN_ID, EOS_TOKEN_ID, PAD_TOKEN_ID].map((id) => vocabulary[id])).toEqual([
      '<s>',
      '</s>',
      '<pad>',
    ]);
    expect(tokenizer.token_to_id('<|assistant|>')).toBe(5);
  });

  it('has a token for every word of the demo, within 32 tokens for prompt and answer, and decodes to the same text', () => {
    const longest = { prompt: 0, answer: 0 };
    const check = (user: string, answers: string[]): void => {
      const prompt = encode(`<s><|user|>${user}<|assistant|>`);
      longest.prompt = Math.max(longest.prompt, prompt.length);
      expect(prompt.every(isWhole)).toBe(true);
      expect(tokenizer.decode(prompt.slice(2, -1))).toBe(user);
      for (const answer of answers) {
        const ids = encode(`${answer}</s>`);
        longest.answer = Math.max(longest.answer, ids.length);
        expect(ids.every(isWhole)).toBe(true);
        expect(tokenizer.decode(ids, { skip_special_tokens: true })).toBe(answer);
      }
    };
    for (const { prompt, chosen, rejected } of preferenceRows({ seed: 4, count: 1500, split: 'train' })) {
      check(prompt[0]!.content, [chosen[0]!.content, rejected[0]!.content]);
    }
    for (const { messages } of dialogues({ seed: 4, count: 500, split: 'held-out', speaker: 'staff' })) {
      check(messages[0].content, [messages[1].content]);
    }
    expect(longest.prompt).toBeLessThanOrEqual(MAX_PROMPT_TOKENS);
    expect(longest.answer).toBeLessThanOrEqual(MAX_ANSWER_TOKENS);
    expect(longest.answer).toBeGreaterThan(28);
  });

  it('spells words it does not know, and marks characters it does not know', () => {
    const ids = encode('Hello zebra');
    expect(ids.some((id) => !isWhole(id))).toBe(true);
    expect(ids).not.toContain(0);
    expect(tokenizer.decode(ids)).toBe('Hello zebra');
    expect(encode('Hello \u00e9')).toContain(0);
  });

  it('gives the same ids for prompt and answer apart as for both together', () => {
    const [row] = [...preferenceRows({ seed: 4, count: 1, split: 'train' })];
    const prompt = `<s><|user|>${row!.prompt[0]!.content}<|assistant|>`;
    const answer = `${row!.chosen[0]!.content}</s>`;
    expect([...encode(prompt), ...encode(answer)]).toEqual(encode(prompt + answer));
  });
});
