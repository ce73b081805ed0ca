import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Interrupted, type ProgressEvent } from '@selective-dpo/foundation';
import {
  AppendedLines,
  conversationIds,
  loadPairTokenizer,
  type Message,
  type PairTokenizer,
} from '@selective-dpo/data';
import { openEngine } from '@selective-dpo/model';
import { beforeAll, describe, expect, it } from 'vitest';
import { codesOf, refusalOf } from '../../trainer/test/refusal.js';
import { fittingConversation, promptRoom } from '../src/answers/fitting-conversation.js';
import { answerQuestions, type AnswerQuestionsOptions } from '../src/index.js';
import { answerSchema } from '../src/benchmarks/answers.js';
import { freshFolder, writeLines } from './fresh-folder.js';

/** A small model with a context of 64 tokens, a word a token. */
const POLICY = fileURLToPath(new URL('../../cli/demo/policy', import.meta.url));
const CONTEXT = 64;

const user = (content: string): Message => ({ role: 'user', content });
const assistant = (content: string): Message => ({ role: 'assistant', content });

describe('fittingConversation', () => {
  let tokenizer: PairTokenizer;
  beforeAll(async () => {
    tokenizer = await loadPairTokenizer(POLICY);
  });
  const tokens = (messages: readonly Message[]) => conversationIds(tokenizer, messages).length;
  const words = (count: number) =>
    Array.from({ length: count }, (_, i) => ['tea', 'cake', 'soup'][i % 3]).join(' ');

  it('leaves alone what fits', () => {
    const messages = [user(words(5)), assistant(words(3)), user(words(4))];
    expect(fittingConversation(tokenizer, messages, tokens(messages))).toEqual({ messages, dropped: 0 });
  });

  it('leaves out the oldest exchange first, whole', () => {
    const messages = [
      user(words(5)),
      assistant(words(3)),
      user(words(4)),
      assistant(words(2)),
      user(words(6)),
    ];
    const cut = fittingConversation(tokenizer, messages, tokens(messages) - 1);
    expect(cut).toEqual({
      messages: messages.slice(2),
      dropped: tokens(messages) - tokens(messages.slice(2)),
    });
    expect(fittingConversation(tokenizer, messages, tokens(messages.slice(4))).messages).toEqual(
      messages.slice(4),
    );
  });

  it('then cuts the last turn at its start, by as little as is needed', () => {
    const messages = [user(words(3)), assistant(words(3)), user(words(80))];
    for (const room of [20, 21, 33, 64]) {
      const { messages: cut, dropped } = fittingConversation(tokenizer, messages, room);
      expect(cut).toHaveLength(1);
      expect(messages[2]!.content.endsWith(cut[0]!.content.trim())).toBe(true);
      expect(tokens(cut)).toBeLessThanOrEqual(room);
      expect(dropped).toBe(tokens(messages) - tokens(cut));
      // Negative control: one word more does not fit.
      const more = messages[2]!.content.split(' ').slice(-(cut[0]!.content.trim().split(' ').length + 2));
      expect(tokens([user(more.join(' '))])).toBeGreaterThan(room);
    }
  });

  it('refuses a context without room for any question', () => {
    expect(() => fittingConversation(tokenizer, [user(words(9))], 2)).toThrow('no room for a question');
  });

  it('leaves half of a short context to the question', () => {
    expect([promptRoom(64, 10), promptRoom(64, 1024), promptRoom(4096, 1024)]).toEqual([54, 32, 3072]);
  });
});

const CATEGORIES = ['writing', 'math', 'stem'];

/** Nine questions of three categories, the fourth one too long for the model. */
const questions = Array.from({ length: 9 }, (_, i) => ({
  question_id: 81 + i,
  category: CATEGORIES[Math.floor(i / 3)]!,
  turns: [
    i === 3 ? 'cake and tea please '.repeat(40).trim() : `a tea and ${i} cakes please`,
    'and a soup please',
  ],
}));

let questionFile: string;
beforeAll(async () => {
  questionFile = await writeLines(questions);
});

const answer = async (change: Partial<AnswerQuestionsOptions> = {}) => {
  const outFile = change.outFile ?? join(await freshFolder(), 'answers.jsonl');
  const result = await answerQuestions({
    ...{ modelDirectory: POLICY, modelId: 'café', questionFile, format: 'mt-bench', outFile },
    ...{ maxNewTokens: 12, seed: 3, batchSize: 2, engine: 'wasm', now: () => 1_700_000_000 },
    ...change,
  });
  return { result, outFile };
};

interface Line {
  question_id: number;
  choices: [{ turns: [string, string] }];
  generation: { temperature: number; dropped_tokens: number[]; prompt_tokens: number[] };
}

const linesOf = async (file: string): Promise<Line[]> =>
  (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

describe('answerQuestions', () => {
  let whole: string;
  let text: string;
  beforeAll(async () => {
    whole = (await answer()).outFile;
    text = await readFile(whole, 'utf8');
  });

  it('answers both turns of every question in order, at the temperature of its category', async () => {
    const lines = await linesOf(whole);
    expect(lines.map(({ question_id }) => question_id)).toEqual(
      questions.map(({ question_id }) => question_id),
    );
    for (const { choices } of lines) expect(choices[0].turns).toHaveLength(2);
    expect(lines.map(({ generation }) => generation.temperature)).toEqual([
      0.7, 0.7, 0.7, 0, 0, 0, 0.1, 0.1, 0.1,
    ]);
  });

  it('cuts what is too long, and counts it', async () => {
    const { result } = await answer();
    const lines = await linesOf(whole);
    expect(lines[3]!.generation.dropped_tokens[0]).toBeGreaterThan(100);
    for (const { generation } of lines) {
      for (const tokens of generation.prompt_tokens) expect(tokens).toBeLessThanOrEqual(CONTEXT - 12);
    }
    const dropped = lines.flatMap(({ generation }) => generation.dropped_tokens);
    expect(result).toMatchObject({
      ...{ questions: 9, turns: 18, answeredBefore: 0, layout: 'mt-bench' },
      truncatedPrompts: dropped.filter((count) => count > 0).length,
      droppedTokens: dropped.reduce((a, b) => a + b, 0),
    });
  });

  it('writes the same bytes again; another seed gives other answers', async () => {
    expect(await readFile((await answer()).outFile, 'utf8')).toBe(text);
    const [first, other] = [await linesOf(whole), await linesOf((await answer({ seed: 4 })).outFile)];
    const turns = (lines: Line[], from: number) => lines.slice(from, from + 3).map(({ choices }) => choices);
    expect(turns(other, 0)).not.toEqual(turns(first, 0));
    // Greedy ones do not depend on it.
    expect(turns(other, 3)).toEqual(turns(first, 3));
  });

  it('goes on with what a killed call left, a torn line and a part of a group included, to the same bytes', async () => {
    const lines = text.split('\n');
    for (const kept of [0, 1, 2, 5, 8, 9]) {
      const outFile = join(await freshFolder(), 'answers.jsonl');
      await writeFile(
        outFile,
        `${lines
          .slice(0, kept)
          .map((line) => `${line}\n`)
          .join('')}${lines[kept]!.slice(0, 40)}`,
      );
      const { result } = await answer({ outFile });
      expect(result.answeredBefore, `${kept}`).toBe(kept);
      expect(await readFile(outFile, 'utf8'), `${kept}`).toBe(text);
    }
  });

  it('stops when asked to and goes on to the same bytes', async () => {
    const outFile = join(await freshFolder(), 'answers.jsonl');
    const asked = new AbortController();
    const stopped = answer({
      outFile,
      signal: asked.signal,
      listener: (event) => {
        if (event.type === 'progress' && event.done >= 3) asked.abort();
      },
    });
    await expect(stopped).rejects.toBeInstanceOf(Interrupted);
    expect((await linesOf(outFile)).length).toBeLessThan(9);
    await answer({ outFile });
    expect(await readFile(outFile, 'utf8')).toBe(text);
  });

  it('never asks again what is answered', async () => {
    const marked = text.replace(/"turns":\["[^"]*"/, '"turns":["an answer that no model gave"');
    expect(marked).not.toBe(text);
    const outFile = join(await freshFolder(), 'answers.jsonl');
    await writeFile(outFile, marked);
    const progress: ProgressEvent[] = [];
    const { result } = await answer({
      outFile,
      listener: (event) => void progress.push(event as ProgressEvent),
    });
    expect(result.answeredBefore).toBe(9);
    expect(progress.filter(({ stage }) => stage === 'answer')).toEqual([]);
    expect(await readFile(outFile, 'utf8')).toBe(marked);
  });

  it('refuses, line by line, a file of other settings, another model or of someone else', async () => {
    for (const change of [{ seed: 9 }, { maxNewTokens: 13 }, { modelId: 'other' }, { temperature: 1 }]) {
      const problems = await refusalOf(() => answer({ ...change, outFile: whole }));
      expect(new Set(codesOf(problems))).toEqual(new Set(['answered-otherwise']));
      expect(problems.map(({ details }) => details.line)).toEqual([1]);
      expect(problems[0]!.details.found).toContain('and so are 8 of the lines behind it');
    }
    const broken = join(await freshFolder(), 'answers.jsonl');
    await writeFile(broken, `${text.split('\n')[0]}\n{"torn": \n${text.split('\n')[0]}\n`);
    expect((await refusalOf(() => answer({ outFile: broken }))).map(({ details }) => details.line)).toEqual([
      2,
    ]);
    expect(await readFile(whole, 'utf8')).toBe(text);
  });

  it('has one writer a file, and leaves no tensor behind', async () => {
    const outFile = join(await freshFolder(), 'answers.jsonl');
    const { file } = await AppendedLines.open(outFile, answerSchema('mt-bench'), {
      ...{ opening: '{"question_id":', inputs: [] },
    });
    expect(codesOf(await refusalOf(() => answer({ outFile })))).toEqual(['file-busy']);
    await file.close();
    const { tf } = await openEngine('wasm');
    const before = tf.memory().numTensors;
    await answer({ outFile });
    expect(tf.memory().numTensors).toBe(before);
  });

  it('answers Arena-Hard without sampling', async () => {
    const arena = await writeLines(
      questions.map(({ question_id, turns }) => ({
        uid: `q${question_id}`,
        category: 'writing',
        prompt: turns[0],
      })),
    );
    const { outFile } = await answer({ questionFile: arena, format: 'arena-hard', limit: 4 });
    const lines = (await linesOf(outFile)) as unknown as { uid: string; generation: Line['generation'] }[];
    expect(lines.map(({ uid }) => uid)).toEqual(['q81', 'q82', 'q83', 'q84']);
    for (const { generation } of lines) expect(generation.temperature).toBe(0);
  });
});
