import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Interrupted, type NoticeEvent } from '@selective-dpo/foundation';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { codesOf, refusalOf } from '../../trainer/test/refusal.js';
import { pairwiseMessages } from '../src/judge/pairwise-prompt.js';
import { pointsOfA, verdictOf, type Verdict } from '../src/judge/verdict.js';
import {
  ChatEndpoint,
  JudgeFailure,
  judgePairs,
  loadProgramJudge,
  type Judge,
  type JudgingOptions,
  type PairwiseResult,
} from '../src/index.js';
import { freshFolder, writeLines } from './fresh-folder.js';
import { flakyVerdict, opinionOf, startScriptedJudge, type ScriptedJudge } from './scripted-judge.js';

const COUNT = 120;
const questions = Array.from({ length: COUNT }, (_, i) => ({
  ...{ uid: `q${i}`, category: i % 2 === 0 ? 'hard' : 'harder', prompt: `What is ${i}?` },
}));
const answersOf = (model: string) =>
  questions.map(({ uid, prompt }, i) => ({
    ...{ uid, model },
    messages: [
      { role: 'user', content: prompt },
      { role: 'assistant', content: { answer: `${model} says ${i}` } },
    ],
  }));

let files: { questionFile: string; answerFile: string; baselineFile: string };
beforeAll(async () => {
  files = {
    questionFile: await writeLines(questions),
    answerFile: await writeLines(answersOf('new')),
    baselineFile: await writeLines(answersOf('old')),
  };
});

const open: ScriptedJudge[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

/** The opinions of both games of every question, without any judge asked. */
function expected(): { scores: (Verdict | undefined)[][]; totals: Partial<PairwiseResult> } {
  const scores = questions.map(({ uid, category, prompt }, i) => {
    const question = { id: uid, category, turns: [prompt] };
    const said = (model: string) => [`${model} says ${i}`];
    return [
      pairwiseMessages(question, said('old'), said('new')),
      pairwiseMessages(question, said('new'), said('old')),
    ].map((messages) => verdictOf(opinionOf(messages[1]!.content) ?? ''));
  });
  const totals = { judged: 0, withoutVerdict: 0, missing: 0, wins: 0, ties: 0, losses: 0 };
  let [points, weight] = [0, 0];
  for (const [asB, asA] of scores) {
    if (asB === undefined || asA === undefined) {
      totals.withoutVerdict++;
      continue;
    }
    totals.judged++;
    const [theirs, own] = [pointsOfA(asB), pointsOfA(asA)];
    const score = own.points + (theirs.weight - theirs.points);
    const half = (own.weight + theirs.weight) / 2;
    totals[score > half ? 'wins' : score < half ? 'losses' : 'ties']++;
    points += score;
    weight += own.weight + theirs.weight;
  }
  return { scores, totals: { ...totals, winRate: { value: points / weight, low: 0, high: 1 } } };
}

const judging = async (judge: Judge, change: Partial<JudgingOptions & { baselineFile: string }> = {}) => {
  const outFile = change.outFile ?? join(await freshFolder(), 'judgments.jsonl');
  const result = await judgePairs({
    ...{ judge, format: 'arena-hard', ...files, outFile, attempts: 3, concurrency: 8 },
    ...change,
  });
  return { result, outFile };
};

async function flakyJudge(change: object = {}) {
  const server = await startScriptedJudge({ verdict: flakyVerdict, failEvery: 5, ...change });
  open.push(server);
  const judge = new ChatEndpoint({
    ...{ url: server.url, model: 'scripted', timeoutMs: 150, retries: 8, wait: () => Promise.resolve() },
  });
  return { server, judge };
}

const scoresIn = async (file: string) => {
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  const judged = lines.map((line) => JSON.parse(line) as { uid: string; games: { score: string | null }[] });
  expect(new Set(judged.map(({ uid }) => uid)).size).toBe(judged.length);
  const byId = new Map(judged.map(({ uid, games }) => [uid, games.map(({ score }) => score ?? undefined)]));
  return questions.map(({ uid }) => byId.get(uid));
};

describe('judgePairs', () => {
  it('has right totals from an endpoint that fails one call in five and talks nonsense to one prompt in ten', async () => {
    const { server, judge } = await flakyJudge();
    const { result, outFile } = await judging(judge);
    const { scores, totals } = expected();
    expect(await scoresIn(outFile)).toEqual(scores);
    const { winRate, ...counts } = totals;
    expect(result).toMatchObject({
      ...counts,
      questions: COUNT,
      model: 'new',
      baseline: 'old',
      judge: 'scripted',
    });
    expect(result.winRate!.value).toBeCloseTo(winRate!.value, 12);
    expect(result.winRate!.low).toBeLessThan(result.winRate!.value);
    expect(result.winRate!.high).toBeGreaterThan(result.winRate!.value);
    // It did fail, in every way, and it did talk nonsense.
    expect(Object.keys(server.failed).sort()).toEqual(['429', '500', 'cut', 'no-json', 'stall']);
    expect(result.withoutVerdict).toBeGreaterThan(0);
    const again = server.bodies.filter(({ messages }) => messages.length > 2).length;
    expect(again).toBeGreaterThan(COUNT / 10);
    expect(judge.repeated).toBeGreaterThanOrEqual(server.calls - server.bodies.length);
  });

  it('goes on where it was stopped: each question once, the same totals', async () => {
    const whole = (await judging((await flakyJudge()).judge)).result;
    const { server, judge } = await flakyJudge();
    const outFile = join(await freshFolder(), 'judgments.jsonl');
    const asked = new AbortController();
    const listener = (event: { type: string; done?: number }) => {
      if (event.type === 'progress' && event.done! >= 40) asked.abort();
    };
    await expect(judging(judge, { outFile, listener, signal: asked.signal })).rejects.toBeInstanceOf(
      Interrupted,
    );
    const text = await readFile(outFile, 'utf8');
    const before = text.trim().split('\n').length;
    expect(before).toBeGreaterThanOrEqual(40);
    expect(before).toBeLessThan(COUNT);
    // A kill may leave half a line.
    await writeFile(outFile, text.slice(0, -30));
    const bodies = server.bodies.length;
    expect((await judging(judge, { outFile })).result).toEqual(whole);
    expect(await scoresIn(outFile)).toEqual(expected().scores);
    const finished = new Set(text.slice(0, -30).match(/What is \d+\?(?=\\n)/g));
    const askedAgain = server.bodies
      .slice(bodies)
      .map(({ messages }) => /What is \d+\?/.exec(messages[1]!.content)![0]);
    expect(finished.size).toBeGreaterThanOrEqual(39);
    // The question on the torn line may be among both.
    expect(new Set(askedAgain.filter((question) => finished.has(question))).size).toBeLessThanOrEqual(1);
    expect(new Set(askedAgain).size).toBe(COUNT - before + 1);
  });

  it('never takes nonsense for a tie: it is counted by itself', async () => {
    const garbage: Judge = { name: 'garbage', ask: () => Promise.resolve('a tie, I would say [[C]]') };
    const { result, outFile } = await judging(garbage);
    expect(result).toMatchObject({ judged: 0, withoutVerdict: COUNT, ties: 0, winRate: undefined });
    expect(await scoresIn(outFile)).toEqual(questions.map(() => [undefined, undefined]));
    // Negative control: real ties are ties.
    const fair: Judge = { name: 'fair', ask: () => Promise.resolve('[[A=B]]') };
    expect((await judging(fair)).result).toMatchObject({ ties: COUNT, withoutVerdict: 0, contradictions: 0 });
  });

  it('sees through a judge that looks at places only', async () => {
    const lazy: Judge = { name: 'lazy', ask: () => Promise.resolve('[[A>>B]]') };
    const { result } = await judging(lazy);
    expect(result).toMatchObject({ ties: COUNT, contradictions: COUNT, firstPlaceShare: 1 });
    expect(result.winRate).toEqual({ value: 0.5, low: 0.5, high: 0.5 });
    const partial: Judge = {
      name: 'partial',
      ask: ({ answersA }) => Promise.resolve(answersA![0]!.startsWith('new') ? '[[A>B]]' : '[[B>>A]]'),
    };
    expect((await judging(partial)).result).toMatchObject({
      ...{ wins: COUNT, losses: 0, winRate: { value: 1 }, firstPlaceShare: 0.25 },
      categories: { hard: { judged: COUNT / 2, winRate: 1 } },
    });
  });

  it('leaves out what could not be asked, says so, and asks only that the next time', async () => {
    let down = true;
    const asked: string[] = [];
    const judge: Judge = {
      name: 'half',
      ask({ turns }) {
        if (down && Number(/\d+/.exec(turns[0]!)![0]) % 3 === 0)
          return Promise.reject(new JudgeFailure('HTTP 500'));
        asked.push(turns[0]!);
        return Promise.resolve('[[A=B]]');
      },
    };
    const notices: NoticeEvent[] = [];
    const listener = (event: { type: string }) => {
      if (event.type === 'notice') notices.push(event as NoticeEvent);
    };
    const { result, outFile } = await judging(judge, { listener });
    expect(result).toMatchObject({ missing: COUNT / 3, judged: (2 * COUNT) / 3 });
    expect(notices[0]!.message).toBe('question q0 is not judged: HTTP 500');
    down = false;
    asked.length = 0;
    expect((await judging(judge, { outFile })).result).toMatchObject({ missing: 0, judged: COUNT });
    expect(new Set(asked).size).toBe(COUNT / 3);
  });

  it('stops asking a judge that is not there', async () => {
    let calls = 0;
    const judge: Judge = {
      name: 'gone',
      ask: () => Promise.reject(new JudgeFailure(`ECONNREFUSED ${++calls}`)),
    };
    expect(codesOf(await refusalOf(() => judging(judge)))).toEqual(['judge-unreachable']);
    expect(calls).toBeLessThan(30);
  });

  it('refuses, with its lines, a judgment file of another judge, model, answer or question', async () => {
    const judge = (name: string): Judge => ({ name, ask: () => Promise.resolve('[[A=B]]') });
    const { outFile } = await judging(judge('one'), { limit: 5 });
    const changed = await writeLines(
      answersOf('new').map((line, i) =>
        i === 2
          ? { ...line, messages: [line.messages[0], { role: 'assistant', content: { answer: 'x' } }] }
          : line,
      ),
    );
    const linesOf = async (change: object, name = 'one') =>
      (await refusalOf(() => judging(judge(name), { outFile, limit: 5, ...change }))).map(
        ({ code, details }) => `${code} ${details.found}`,
      );
    const all = [expect.stringMatching(/^judged-otherwise .*, and so are 4 of the lines behind it$/)];
    expect(await linesOf({}, 'other')).toEqual(all);
    expect(await linesOf({ baselineFile: await writeLines(answersOf('older')) })).toEqual(all);
    expect(await linesOf({ answerFile: changed })).toEqual(['judged-otherwise question q2']);
    // Negative control: the same again is taken as it is.
    const never: Judge = { name: 'one', ask: () => Promise.reject(new Error('asked again')) };
    expect((await judging(never, { outFile, limit: 5 })).result.judged).toBe(5);
  });

  it('compares conversations of several turns, named as their questions are', async () => {
    const said = (model: string) =>
      writeLines([
        {
          question_id: 81,
          model_id: model,
          choices: [{ index: 0, turns: [`${model} one`, `${model} two`] }],
        },
      ]);
    const prompts: string[] = [];
    const judge: Judge = {
      name: 'x',
      ask({ messages }) {
        prompts.push(messages[1]!.content);
        return Promise.resolve('[[A>B]]');
      },
    };
    const { outFile, result } = await judging(judge, {
      ...{ format: 'mt-bench', answerFile: await said('new'), baselineFile: await said('old') },
      questionFile: await writeLines([
        { question_id: 81, category: 'math', turns: ['q one', 'q two'], reference: ['r', 's'] },
      ]),
    });
    expect(result).toMatchObject({ judged: 1, ties: 1, contradictions: 1 });
    expect(JSON.parse(await readFile(outFile, 'utf8'))).toMatchObject({
      question_id: 81,
      model: 'new',
      baseline: 'old',
    });
    const order = (prompt: string, ...parts: string[]) => {
      const places = parts.map((part) => prompt.indexOf(part));
      expect(places).not.toContain(-1);
      expect(places).toEqual(places.toSorted((a, b) => a - b));
    };
    order(prompts[0]!, 'r\n\ns', 'q one', 'old one', 'q two', 'old two', 'new one', 'new two');
    order(prompts[1]!, 'q one', 'new one', 'q two', 'new two', 'old one', 'old two');
  });

  it('wants an answer of both models to every question', async () => {
    const few = await writeLines(answersOf('new').slice(0, 100));
    const judge: Judge = { name: 'x', ask: () => Promise.reject(new Error('asked')) };
    expect(codesOf(await refusalOf(() => judging(judge, { answerFile: few })))).toEqual(['answers-missing']);
  });
});

describe('loadProgramJudge', () => {
  const moduleOf = async (source: string) => {
    const file = join(await freshFolder(), 'judge.mjs');
    await writeFile(file, source);
    return file;
  };

  it('judges by a function of the user’s', async () => {
    const judge = await loadProgramJudge(
      await moduleOf(
        `export default async ({ kind, question, answerA, answerB, turns, messages }) => {
           if (kind !== 'pairwise' || question !== turns[0] || messages.length !== 2) throw new Error('unexpected');
           return answerA > answerB ? '[[A>B]]' : '[[B>A]]';
         };`,
      ),
    );
    expect(judge.name).toMatch(/^judge\.mjs@[0-9a-f]{12}$/);
    // "old" comes after "new".
    expect((await judging(judge)).result).toMatchObject({ losses: COUNT, wins: 0, firstPlaceShare: 0.5 });
  });

  it.each([
    ['no function', 'export default 5;', 'a default export that is number'],
    ['nothing', 'export const x = 1;', 'a default export that is undefined'],
    ['no module', 'export default (', ''],
  ])('refuses a file with %s', async (_name, source, found) => {
    const [problem] = await refusalOf(async () => loadProgramJudge(await moduleOf(source)));
    expect(problem!.code).toBe('judge-program');
    expect(problem!.details.found).toContain(found);
  });

  it.each([
    ['throws', '() => { throw new Error("no idea"); }', 'no idea'],
    ['gives no text', '() => ({ winner: "A" })', 'a value of type object'],
    ['never ends', '() => new Promise(() => undefined)', 'no answer within 0.2 s'],
  ])('leaves out what a program that %s was asked', async (_name, source, message) => {
    const judge = await loadProgramJudge(await moduleOf(`export default ${source};`), 200);
    const notices: string[] = [];
    const listener = (event: { type: string; message?: string }) => void notices.push(event.message ?? '');
    expect((await judging(judge, { limit: 4, listener })).result).toMatchObject({ missing: 4, judged: 0 });
    expect(notices[0]).toContain(message);
  });
});
