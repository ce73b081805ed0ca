import type { InputErrors } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { refusalOf } from '../../trainer/test/refusal.js';
import { readAnswers, answerLine } from '../src/benchmarks/answers.js';
import { markdownCounts } from '../src/benchmarks/markdown-counts.js';
import { readQuestions } from '../src/benchmarks/questions.js';
import { benchmarkTemperature } from '../src/answers/temperatures.js';
import { writeLines } from './fresh-folder.js';
import { shared } from '../../trainer/test/shared-data.js';

const mtBench = (id: number, more: object = {}) => ({
  ...{ question_id: id, category: 'math', turns: ['one?', 'two?'] },
  ...more,
});

/** [line, code, field] of every problem. */
const placesOf = async (work: () => Promise<unknown>) =>
  (await refusalOf(work)).map(({ code, details: { line, field } }) => [line, code, field]);

describe('readQuestions', () => {
  it('reads MT-Bench and both generations of Arena-Hard, and says which', async () => {
    const mt = await readQuestions(await writeLines([mtBench(81, { reference: ['1', '2'] })]), 'mt-bench');
    expect(mt).toEqual({
      layout: 'mt-bench',
      questions: [{ id: 81, category: 'math', turns: ['one?', 'two?'], references: ['1', '2'] }],
    });
    const uid = await readQuestions(
      await writeLines([{ uid: 'a', category: 'hard', cluster: 'x', prompt: 'one?' }]),
      'arena-hard',
    );
    expect(uid).toEqual({
      layout: 'arena-hard-uid',
      questions: [{ id: 'a', category: 'hard', turns: ['one?'] }],
    });
    const old = await readQuestions(
      await writeLines([{ question_id: 'b', category: 'hard', cluster: 'x', turns: [{ content: 'one?' }] }]),
      'arena-hard',
    );
    expect(old).toEqual({
      layout: 'arena-hard-question-id',
      questions: [{ id: 'b', category: 'hard', turns: ['one?'] }],
    });
  });

  it('names every problem of a file with its line', async () => {
    const file = await writeLines([
      mtBench(1),
      '{"question_id": 2, ',
      mtBench(3, { turns: [] }),
      mtBench(1),
      { category: 'math', turns: ['x', 5] },
      '[]',
      '',
      mtBench(4, { category: '' }),
      '['.repeat(100_000),
    ]);
    expect(await placesOf(() => readQuestions(file, 'mt-bench'))).toEqual([
      [2, 'json-broken', undefined],
      [3, 'field-invalid', 'turns'],
      [5, 'field-invalid', 'question_id'],
      [5, 'field-invalid', 'turns.1'],
      [6, 'field-invalid', undefined],
      [8, 'field-invalid', 'category'],
      [9, 'json-broken', undefined],
      [4, 'line-twice', undefined],
    ]);
    // Negative control: the good lines alone are read.
    expect(
      (await readQuestions(await writeLines([mtBench(1), mtBench(4)]), 'mt-bench')).questions,
    ).toHaveLength(2);
  });

  it('refuses the other generation line by line, and a file of nothing', async () => {
    const mixed = await writeLines([
      { uid: 'a', category: 'hard', prompt: 'x' },
      { question_id: 'b', category: 'hard', turns: [{ content: 'y' }] },
    ]);
    const places = await placesOf(() => readQuestions(mixed, 'arena-hard'));
    expect(places).toEqual([
      [2, 'field-invalid', 'uid'],
      [2, 'field-invalid', 'prompt'],
    ]);
    expect(await placesOf(() => readQuestions('/nowhere/at/all', 'arena-hard'))).toEqual([
      [undefined, 'file-not-found', undefined],
    ]);
    const empty = await writeLines(['', '  ']);
    expect((await placesOf(() => readQuestions(empty, 'mt-bench')))[0]![1]).toBe('no-questions');
  });

  it('reports a hundred problems of a file that has nothing else', async () => {
    const file = await writeLines(Array.from({ length: 1000 }, () => 'x'));
    const error = await readQuestions(file, 'mt-bench').catch((caught: unknown) => caught);
    expect((error as InputErrors).problems).toHaveLength(101);
    expect((error as InputErrors).problems.at(-1)!.message).toBe('900 more problems');
  });

  it.skipIf(shared === undefined)('reads the benchmarks themselves (shared data)', async () => {
    const benchmarks = `${shared}/benchmarks`;
    const arena = await readQuestions(`${benchmarks}/arena-hard/question-v0.1.jsonl`, 'arena-hard');
    expect([arena.layout, arena.questions.length]).toEqual(['arena-hard-uid', 500]);
    const mt = await readQuestions(`${benchmarks}/mt-bench/question.jsonl`, 'mt-bench');
    expect(mt.questions.map(({ turns }) => turns.length)).toEqual(Array.from({ length: 80 }, () => 2));
    const temperatures = mt.questions.map(({ category }) => benchmarkTemperature('mt-bench', category));
    // FastChat's table: writing and roleplay 0.7, stem and humanities 0.1, the other four 0.
    for (const [temperature, questions] of [
      [0.7, 20],
      [0.1, 20],
      [0, 40],
    ] as const) {
      expect(temperatures.filter((t) => t === temperature)).toHaveLength(questions);
    }
  });
});

describe('answers', () => {
  const question = { id: 81, category: 'writing', turns: ['one?', 'two?'] };
  const answer = { questionId: 81, model: 'm', turns: ['# yes', '**no**'] };

  it('are written as FastChat reads them, and read back', async () => {
    const line = answerLine(answer, 'mt-bench', question, 5) as Record<string, unknown>;
    expect(line).toMatchObject({
      ...{ question_id: 81, model_id: 'm', tstamp: 5, choices: [{ index: 0, turns: ['# yes', '**no**'] }] },
    });
    expect(line['answer_id']).toMatch(/^[0-9a-f]{22}$/);
    const read = await readAnswers(await writeLines([line]), 'mt-bench', [question]);
    expect(read).toEqual({ model: 'm', answers: new Map([['81', answer]]) });
  });

  it('have an id that follows from their content alone', () => {
    const idOf = (change: object, time = 5) =>
      (answerLine({ ...answer, ...change }, 'mt-bench', question, time) as { answer_id: string }).answer_id;
    expect(idOf({}, 6)).toBe(idOf({}));
    expect(idOf({ turns: ['# yes', '**No**'] })).not.toBe(idOf({}));
    expect(idOf({ model: 'n' })).not.toBe(idOf({}));
  });

  it('are written in the generation of their questions for Arena-Hard', () => {
    const one = { id: 'u', category: 'hard', turns: ['one?'] };
    const said = { questionId: 'u', model: 'm', turns: ['**a** __b__\n# c'] };
    expect(answerLine(said, 'arena-hard-uid', one, 5)).toMatchObject({
      ...{ uid: 'u', model: 'm', tstamp: 5 },
      messages: [
        { role: 'user', content: 'one?' },
        { role: 'assistant', content: { answer: '**a** __b__\n# c' } },
      ],
      metadata: { token_len: 0, bold_count: { '**': 1, __: 1 }, header_count: { h1: 1, h2: 0 } },
    });
    expect(answerLine(said, 'arena-hard-question-id', one, 5)).toMatchObject({
      ...{ question_id: 'u', model_id: 'm' },
      choices: [{ index: 0, turns: [{ content: '**a** __b__\n# c', token_len: 0 }] }],
    });
  });

  it('of other tools are read, too, and every problem is named with its line', async () => {
    const line = (id: unknown, model: string, turns: unknown) => ({
      ...{ question_id: id, answer_id: 'x', model_id: model, choices: [{ index: 0, turns }], tstamp: 1.5 },
    });
    const file = await writeLines([
      line(81, 'm', ['a', { content: 'b', token_len: 3 }]),
      line(82, 'm', ['only one']),
      line(81, 'm', ['a', 'b']),
      line(83, 'other', ['a', 'b']),
      line(84, 'm', [7, 'b']),
      line(null, 'm', ['a', 'b']),
    ]);
    const questions = [81, 82, 83, 84].map((id) => ({ ...question, id }));
    expect(await placesOf(() => readAnswers(file, 'mt-bench', questions))).toEqual([
      [5, 'field-invalid', 'choices.0.turns.0'],
      [6, 'field-invalid', 'question_id'],
      [3, 'line-twice', undefined],
      [2, 'turn-missing', undefined],
      [4, 'other-model', undefined],
    ]);
    const good = await writeLines([line('81', 'm', ['a', { content: 'b' }])]);
    expect((await readAnswers(good, 'mt-bench', questions)).answers.get('81')!.turns).toEqual(['a', 'b']);
  });
});

describe('markdownCounts', () => {
  it('counts as Arena-Hard does, outside of code', () => {
    const text =
      '# a\n## b\n#c\n\n * x\n- y\n12. z\n1.z\n**b** ** **\n__u__\n```\n# code\n- code\n```\n####### no';
    expect(markdownCounts(text)).toEqual({
      header_count: { h1: 1, h2: 1, h3: 0, h4: 0, h5: 0, h6: 0 },
      list_count: { ordered: 1, unordered: 2 },
      bold_count: { '**': 2, __: 1 },
    });
  });

  it('takes time that grows with the text only', () => {
    for (const hostile of ['\n', '*', '_', '`', '# ', '1', ' \n', '**a']) {
      expect(markdownCounts(hostile.repeat(50_000)).header_count.h6).toBe(0);
    }
  });
});
