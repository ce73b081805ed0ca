import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NoticeEvent } from '@selective-dpo/foundation';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { codesOf, refusalOf } from '../../trainer/test/refusal.js';
import { shared } from '../../trainer/test/shared-data.js';
import { ChatEndpoint, rateAnswers, type Judge } from '../src/index.js';
import type { TurnJudgment } from '../src/judge/single.js';
import { freshFolder, writeLines } from './fresh-folder.js';
import { numberOf, startScriptedJudge, type ScriptedJudge } from './scripted-judge.js';

const open: ScriptedJudge[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

describe.skipIf(shared === undefined)('rateAnswers with MT-Bench’s own files (shared data)', () => {
  const mtBench = `${shared}/benchmarks/mt-bench`;
  const promptFile = `${mtBench}/judge_prompts.jsonl`;
  const questionFile = `${mtBench}/question.jsonl`;
  let answerFile: string;
  beforeAll(async () => {
    const lines = (await readFile(questionFile, 'utf8')).trim().split('\n');
    answerFile = await writeLines(
      lines.map((line) => {
        const { question_id } = JSON.parse(line) as { question_id: number };
        const turns = [`first {answer} of ${question_id}`, `second of ${question_id}`];
        return { question_id, answer_id: 'x', model_id: 'm', choices: [{ index: 0, turns }], tstamp: 1 };
      }),
    );
  });

  const ratingFor = (prompt: string) =>
    numberOf(prompt) % 20 === 0 ? undefined : 1 + (numberOf(prompt) % 10);

  const rate = async (judge: Judge, outFile?: string, listener?: (event: object) => void) =>
    rateAnswers({
      ...{ judge, format: 'mt-bench', questionFile, answerFile, promptFile, attempts: 2, concurrency: 4 },
      ...{ outFile: outFile ?? join(await freshFolder(), 'ratings.jsonl'), now: () => 7 },
      ...(listener === undefined ? {} : { listener }),
    });

  it('rates both turns of every question, with the right prompt and reference', async () => {
    const server = await startScriptedJudge({
      verdict: (prompt) => {
        const rating = ratingFor(prompt);
        return rating === undefined ? 'no idea' : `Rating: [[${rating}]]`;
      },
      failEvery: 7,
    });
    open.push(server);
    const outFile = join(await freshFolder(), 'ratings.jsonl');
    const judge = new ChatEndpoint({
      ...{ url: server.url, model: 'scripted', timeoutMs: 150, retries: 8, wait: () => Promise.resolve() },
    });
    const notices: string[] = [];
    const result = await rate(judge, outFile, (event) => {
      if ((event as NoticeEvent).type === 'notice') notices.push((event as NoticeEvent).code);
    });
    const lines = (await readFile(outFile, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as TurnJudgment);
    expect(lines).toHaveLength(160);
    const ratings = lines.map((line) => ratingFor(line.user_prompt));
    expect(lines.map(({ score }) => score)).toEqual(ratings.map((rating) => rating ?? -1));
    const known = ratings.filter((rating) => rating !== undefined);
    expect(result).toMatchObject({ rated: known.length, withoutVerdict: 160 - known.length, missing: 0 });
    expect(result.withoutVerdict).toBeGreaterThan(0);
    expect(result.rating!.value).toBeCloseTo(known.reduce((a, b) => a + b, 0) / known.length, 9);
    expect(lines.filter((line) => line.judge[1] === 'single-math-v1')).not.toHaveLength(0);
    // Of the 30 questions that are compared with a right answer, one has none in the file.
    expect(notices).toEqual(['no-reference']);
    expect(lines.filter((line) => line.judge[1].includes('math'))).toHaveLength(2 * 29);
    const coding = lines.find((line) => line.judge[1] === 'single-math-v1-multi-turn')!;
    expect(coding.user_prompt).toContain('### Reference answer:');
    // What an answer contains is not read as a mark of the template.
    const first = lines.find((line) => line.question_id === 81 && line.turn === 1)!;
    expect(first.user_prompt).toContain('first {answer} of 81');
    expect(first.tstamp).toBe(7);
    // Again: nothing is asked, the result is the same.
    const never: Judge = { name: 'scripted', ask: () => Promise.reject(new Error('asked again')) };
    expect(await rate(never, outFile)).toEqual(result);
  });

  it('takes the references of a file of their own', async () => {
    const outFile = join(await freshFolder(), 'ratings.jsonl');
    const turns = ['the right first', 'the right second'];
    const reference = { question_id: 123, model_id: 'gpt', choices: [{ index: 0, turns }] };
    const judge: Judge = { name: 'x', ask: () => Promise.resolve('[[7]]') };
    const result = await rateAnswers({
      ...{
        judge,
        format: 'mt-bench',
        questionFile,
        answerFile,
        promptFile,
        outFile,
        attempts: 1,
        concurrency: 1,
      },
      ...{ now: () => 0, referenceFile: await writeLines([reference]) },
    });
    expect(result).toMatchObject({ rated: 160, rating: { value: 7, low: 7, high: 7 } });
    const text = await readFile(outFile, 'utf8');
    expect(text.match(/"single-math-v1/g)).toHaveLength(2 * 30);
    expect(text).toContain('the right second');
  });

  it('refuses prompts that are not there or have other marks, with their lines', async () => {
    const lines = (await readFile(promptFile, 'utf8')).trim().split('\n');
    const spoiled = lines
      .filter((line) => !line.includes('"single-v1-multi-turn"'))
      .map((line) => (line.includes('"single-v1"') ? line.replace('{answer}', '{solution}') : line));
    const judge: Judge = { name: 'x', ask: () => Promise.reject(new Error('asked')) };
    const refused = async (text: string[]) =>
      refusalOf(async () =>
        rateAnswers({
          ...{
            judge,
            format: 'mt-bench',
            questionFile,
            answerFile,
            attempts: 1,
            concurrency: 1,
            now: () => 0,
          },
          ...{ outFile: join(await freshFolder(), 'r.jsonl'), promptFile: await writeLines(text) },
        }),
      );
    const [problem] = await refused(spoiled);
    expect([problem!.code, problem!.details.line]).toEqual(['prompt-template', 5]);
    expect(codesOf(await refused(lines.filter((line) => !line.includes('"single-'))))).toEqual(
      Array.from({ length: 4 }, () => 'prompt-missing'),
    );
  });
});
