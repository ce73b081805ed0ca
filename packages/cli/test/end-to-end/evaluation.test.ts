import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SeededRandom } from '@selective-dpo/foundation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  flakyVerdict,
  startScriptedJudge,
  type ScriptedJudge,
} from '../../../evaluation/test/scripted-judge.js';
import { demo, freshFolder, sdpo, type Outcome } from './run-sdpo.js';

const POLICY = join(demo, 'policy');
const DATA = join(demo, 'preferences', 'preferences.jsonl');
const KILLS = Number(process.env['SELECTIVE_DPO_KILLS'] ?? 6);
const KEY = 'sk-of-the-test';

interface Result {
  type: string;
  models: { metrics: Record<string, number> }[];
}

const resultOf = ({ stdout }: Outcome): Result =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Result)
    .find(({ type }) => type === 'result')!;

const textOf = (lines: readonly object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

describe('sdpo eval preferences', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await freshFolder();
    const score = [
      'score',
      '--model',
      join(demo, 'reference'),
      '--data',
      DATA,
      '--out',
      join(folder, 'cache'),
    ];
    expect((await sdpo([...score, '--limit', '60', '--engine', 'wasm'])).code).toBe(0);
    const train = [
      'train',
      '--policy',
      POLICY,
      '--cache',
      join(folder, 'cache'),
      '--out',
      join(folder, 'run'),
    ];
    const settings = ['engine=wasm', 'maxSteps=3', 'evalFraction=0.4', 'seed=6', 'learningRate=1e-3'];
    expect((await sdpo([...train, ...settings])).code).toBe(0);
  });

  it('gives the run’s own held-out figures and a row a pair', async () => {
    const out = join(folder, 'pairs.csv');
    const request = ['eval', 'preferences', '--model', join(folder, 'run'), '--model', POLICY];
    const outcome = await sdpo([...request, '--cache', join(folder, 'cache'), '--out', out, '--json']);
    expect(outcome.code, outcome.stderr).toBe(0);
    const lines = (await readFile(join(folder, 'run', 'metrics.jsonl'), 'utf8')).trim().split('\n');
    const last = lines.map((line) => JSON.parse(line) as { split: string; loss: number }).at(-1)!;
    expect(last.split).toBe('eval');
    expect(resultOf(outcome).models[0]!.metrics['loss']).toBe(last.loss);
    expect((await readFile(out, 'utf8')).trim().split('\r\n')).toHaveLength(1 + 2 * 24);
    const shown = await sdpo([...request, '--cache', join(folder, 'cache')]);
    expect(shown.stdout).toContain(`loss ${' '.repeat(3)}`);
    expect(shown.stdout).toContain('less run, on the same pairs');
  });

  it('refuses bad options all at once, and a table of no known kind before any work', async () => {
    const several = await sdpo(['eval', 'preferences', '--split', 'some']);
    expect([several.code, several.stderr.trim().split('\n').length]).toEqual([2, 3]);
    const request = ['eval', 'preferences', '--model', join(folder, 'run'), '--cache', join(folder, 'cache')];
    const table = await sdpo([...request, '--out', 'pairs.xls']);
    expect([table.code, table.stderr]).toEqual([2, expect.stringContaining('.parquet') as string]);
  });
});

describe('sdpo eval answers', () => {
  it(`killed at random moments ends with the same bytes (${KILLS} kills)`, async () => {
    const folder = await freshFolder();
    const questions = Array.from({ length: 24 }, (_, i) => ({
      ...{ question_id: 81 + i, category: ['writing', 'math'][i % 2] },
      turns: [`${i} teas please`, 'and a cake'],
    }));
    await writeFile(join(folder, 'questions.jsonl'), textOf(questions));
    const answer = (out: string) => [
      ...['eval', 'answers', '--model', POLICY, '--questions', join(folder, 'questions.jsonl')],
      ...['--format', 'mt-bench', '--out', out, '--max-new-tokens', '20', '--engine', 'wasm'],
      ...['--timestamp', '1700000000', '--batch-size', '4'],
    ];
    const whole = join(folder, 'whole.jsonl');
    const { code, stderr, seconds } = await sdpo(answer(whole));
    expect(code, stderr).toBe(0);
    const [random, broken] = [new SeededRandom(5), join(folder, 'broken.jsonl')];
    for (let kill = 0; kill < KILLS; kill++) await sdpo(answer(broken), random.next() * seconds * 1000);
    expect((await sdpo(answer(broken))).code).toBe(0);
    expect(await readFile(broken, 'utf8')).toBe(await readFile(whole, 'utf8'));
  }, 120_000);

  it('names every bad line of its questions', async () => {
    const folder = await freshFolder();
    await writeFile(
      join(folder, 'q.jsonl'),
      '{"question_id": 1, "category": "x"}\nno JSON\n{"turns": "x"}\n',
    );
    const request = ['eval', 'answers', '--model', POLICY, '--questions', join(folder, 'q.jsonl')];
    const { code, stderr } = await sdpo([
      ...request,
      '--format',
      'mt-bench',
      '--out',
      join(folder, 'a.jsonl'),
    ]);
    expect(code).toBe(2);
    const places = stderr
      .trim()
      .split('\n')
      .map((line) => /q\.jsonl:(\d)(?:: field (\w+))?/.exec(line)?.slice(1));
    expect(places).toEqual([
      ['1', 'turns'],
      ['2', undefined],
      ['3', 'question_id'],
      ['3', 'category'],
      ['3', 'turns'],
    ]);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

describe('sdpo eval judge', () => {
  const COUNT = 60;
  let folder: string;
  let server: ScriptedJudge;
  beforeAll(async () => {
    folder = await freshFolder();
    process.env['SDPO_JUDGE_KEY'] = KEY;
    server = await startScriptedJudge({ verdict: flakyVerdict, failEvery: 5, delayMs: 20 });
    const uids = Array.from({ length: COUNT }, (_, i) => `q${i}`);
    await writeFile(
      join(folder, 'questions.jsonl'),
      textOf(uids.map((uid) => ({ uid, category: 'hard', prompt: `What is ${uid}?` }))),
    );
    for (const model of ['new', 'old']) {
      await writeFile(
        join(folder, `${model}.jsonl`),
        textOf(
          uids.map((uid) => ({
            ...{ uid, model },
            messages: [{ role: 'assistant', content: { answer: `${model} on ${uid}` } }],
          })),
        ),
      );
    }
  });
  afterAll(async () => {
    delete process.env['SDPO_JUDGE_KEY'];
    await server.close();
  });

  const judge = (out: string, url = server.url) => [
    ...['eval', 'judge', '--questions', join(folder, 'questions.jsonl'), '--format', 'arena-hard'],
    ...['--answers', join(folder, 'new.jsonl'), '--baseline', join(folder, 'old.jsonl')],
    ...['--out', out, '--judge-url', url, '--judge-model', 'scripted', '--timeout', '1', '--json'],
  ];

  it(`killed at random moments loses nothing and counts nothing twice (${KILLS} kills)`, async () => {
    const whole = join(folder, 'whole.jsonl');
    const ended = await sdpo(judge(whole));
    expect(ended.code, ended.stderr).toBe(0);
    const [random, broken] = [new SeededRandom(8), join(folder, 'broken.jsonl')];
    const sizes: number[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      // By calls, not by time: a start takes as long as the machine is busy, and 60 calls cannot end 60 questions.
      const at = server.calls + 30 + random.next() * 30;
      await sdpo(judge(broken), () => server.calls >= at);
      sizes.push((await readFile(broken, 'utf8').catch(() => '')).split('\n').length - 1);
    }
    const resumed = await sdpo(judge(broken));
    expect(resultOf(resumed)).toEqual(resultOf(ended));
    const sorted = async (file: string) => (await readFile(file, 'utf8')).trim().split('\n').sort();
    expect(await sorted(broken)).toEqual(await sorted(whole));
    expect(await sorted(broken)).toHaveLength(COUNT);
    // The kills did interrupt it, and what was there stayed.
    expect(sizes.some((size) => size > 0 && size < COUNT)).toBe(true);
    expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
    // The key went to the server, and nowhere else.
    expect(server.keys.every((key) => key === `Bearer ${KEY}`)).toBe(true);
    for (const text of [ended.stdout, ended.stderr, await readFile(whole, 'utf8')])
      expect(text).not.toContain(KEY);
  }, 180_000);

  it('says what to do where no judge is there, and keeps what is finished', async () => {
    const out = join(folder, 'none.jsonl');
    const { code, stderr } = await sdpo([...judge(out, 'http://127.0.0.1:9/v1'), '--retries', '0']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('the judge gives no answers') as string]);
    const options = await sdpo(['eval', 'judge', '--out', out, '--judge-url', 'x', '--concurrency', '0']);
    expect([options.code, options.stderr.trim().split('\n').length]).toEqual([2, 6]);
  });

  it('judges by a program', async () => {
    const module = join(folder, 'judge.mjs');
    await writeFile(
      module,
      'export default ({ answerA }) => (answerA.startsWith("new") ? "[[A>>B]]" : "[[B>>A]]");',
    );
    const at = judge(join(folder, 'program.jsonl'));
    const request = at.filter((word, i) => !word.startsWith('--judge') && !at[i - 1]?.startsWith('--judge'));
    expect(resultOf(await sdpo([...request, '--judge', module]))).toMatchObject({
      ...{ wins: COUNT, losses: 0, winRate: { value: 1, low: 1, high: 1 }, missing: 0 },
    });
  });
});
