import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import { BIN, demo, freshFolder, sdpo } from './run-sdpo.js';

const KILLS = Number(process.env['SELECTIVE_DPO_KILLS'] ?? 3);
const BASE =
  'base: {engine: wasm, maxSteps: 4, saveEvery: 1, evalFraction: 0.2, batchSize: 4, learningRate: 3e-4}';
const GRID = ['grid: {keep: [0.4, 1]}', 'seeds: [0, 1]'];

let folder: string;

/** Writes a sweep file beside the cache. */
async function sweepFile(lines: readonly string[], name = 'sweep.yaml'): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, [`policy: ${join(demo, 'policy')}`, 'cache: cache', ...lines].join('\n'));
  return file;
}

const tables = async (out: string) =>
  Promise.all(
    ['results.csv', 'results.parquet', 'report.html'].map(async (name) =>
      (await readFile(join(out, name))).toString('base64'),
    ),
  );

const runsIn = async (out: string) => (await readdir(join(out, 'runs')).catch(() => [])).sort();

/** When each run's folder last changed, which a run that is begun again would move. */
const timesIn = async (out: string) =>
  Promise.all(
    (await runsIn(out)).map(async (run) => (await stat(join(out, 'runs', run, 'metrics.jsonl'))).mtimeMs),
  );

beforeAll(async () => {
  folder = await freshFolder();
  const data = join(demo, 'preferences', 'preferences.jsonl');
  const score = ['score', '--model', join(demo, 'policy'), '--data', data, '--out', join(folder, 'cache')];
  expect((await sdpo([...score, '--limit', '30', '--engine', 'wasm'])).code).toBe(0);
});

describe('sdpo sweep', () => {
  it(`killed at random moments ends with the same tables (${KILLS} kills); again it does nothing`, async () => {
    const file = await sweepFile([BASE, ...GRID]);
    const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
    const sweep = (out: string) => ['sweep', file, '--out', out, '--parallel', '2'];
    const { code, stderr, seconds } = await sdpo(sweep(whole));
    expect(code, stderr).toBe(0);
    const random = new SeededRandom(9);
    for (let kill = 0; kill < KILLS; kill++) await sdpo(sweep(broken), random.next() * seconds * 700);
    expect((await sdpo(sweep(broken))).code).toBe(0);
    expect(await tables(broken)).toEqual(await tables(whole));
    expect(await runsIn(broken)).toHaveLength(4);
    const before = await timesIn(whole);
    const again = await sdpo([...sweep(whole), '--json']);
    expect(again.stdout).not.toContain('run-started');
    expect(JSON.parse(again.stdout.trim().split('\n').at(-1)!)).toMatchObject({
      finishedBefore: 4,
      missing: [],
    });
    expect(await timesIn(whole)).toEqual(before);
    // A larger file adds runs, though their names change; a table of other runs is another one.
    const larger = await sweepFile([BASE, ...GRID, 'list: [{beta: 0.1}, {beta: 0.5}]'], 'larger.yaml');
    const more = await sdpo(['sweep', larger, '--out', whole, '--json']);
    expect(more.stdout.match(/"run-started"/g)).toHaveLength(4);
    expect((await timesIn(whole)).filter((time) => before.includes(time))).toHaveLength(4);
    expect(await tables(broken)).not.toEqual(await tables(whole));
  }, 240_000);

  it('leaves no run behind when it is killed', async () => {
    const file = await sweepFile([BASE.replace('maxSteps: 4', 'maxSteps: 100000')], 'long.yaml');
    const out = join(folder, 'long');
    const child = spawn(process.execPath, [BIN, 'sweep', file, '--out', out, '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    for await (const piece of child.stdout) if (String(piece).includes('run-progress')) break;
    const [run] = await runsIn(out);
    const holdsLock = async () => (await readdir(join(out, 'runs', run!))).includes('.writer.lock');
    expect(await holdsLock()).toBe(true);
    // Who looks meanwhile sees what is to come.
    expect(await readFile(join(out, 'results.csv'), 'utf8')).toMatch(/,missing,/);
    child.kill('SIGKILL');
    await once(child, 'exit');
    // A run that stops cleanly gives its lock back; one that went on would hold it for 100,000 steps.
    while (await holdsLock()) await sleep(50);
    expect(await readdir(join(out, 'runs', run!))).toContain('checkpoints');
  }, 60_000);

  it('stopped by Ctrl-C says how to go on', async () => {
    const file = await sweepFile([BASE.replace('maxSteps: 4', 'maxSteps: 100000')], 'long.yaml');
    const child = spawn(process.execPath, [BIN, 'sweep', file, '--out', join(folder, 'long'), '--json']);
    let text = '';
    child.stdout.on('data', (piece: Buffer) => {
      if (!text.includes('run-progress') && (text + piece).includes('run-progress')) child.kill('SIGINT');
      text += piece;
    });
    const [code] = (await once(child, 'close')) as [number];
    expect([code, text]).toEqual([130, expect.stringContaining('run the same command again') as string]);
    expect(text).toContain('"status":"stopped"');
  }, 60_000);

  it('goes on with the others where a run fails, and lists it', async () => {
    const lines = [BASE, 'runs:', '  bad: {microBatchTokens: 1, memoryLimit: 1MiB}', '  good: {keep: 1}'];
    const out = join(folder, 'failing');
    const { code, stdout } = await sdpo(['sweep', await sweepFile(lines, 'failing.yaml'), '--out', out]);
    expect(code).toBe(2);
    expect(stdout).toMatch(/failed bad: .*does not fit/);
    const csv = await readFile(join(out, 'results.csv'), 'utf8');
    expect(
      csv
        .split('\r\n')
        .slice(1, 3)
        .map((line) => /finished|failed/.exec(line)![0]),
    ).toEqual(['failed', 'finished']);
  }, 60_000);

  it('has a failure in its table while others train', async () => {
    const lines = [
      ...[BASE.replace('maxSteps: 4', 'maxSteps: 100000'), 'runs:'],
      ...['  bad: {microBatchTokens: 1, memoryLimit: 1MiB}', '  good: {keep: 1}'],
    ];
    const out = join(folder, 'failing-early');
    const command = [
      'sweep',
      await sweepFile(lines, 'failing-early.yaml'),
      '--out',
      out,
      '--parallel',
      '1',
      '--json',
    ];
    const child = spawn(process.execPath, [BIN, ...command], { stdio: ['ignore', 'pipe', 'ignore'] });
    for await (const piece of child.stdout) if (String(piece).includes('run-progress')) break;
    const rows = (await readFile(join(out, 'results.csv'), 'utf8')).split('\r\n').slice(1, 3);
    expect(rows.map((row) => /missing|failed/.exec(row)![0])).toEqual(['failed', 'missing']);
    child.kill('SIGINT');
    await once(child, 'exit');
  }, 60_000);

  it('prints commands, and gathers what they did', async () => {
    const file = await sweepFile([BASE, 'runs: {"=a b": {keep: 1}, c: {keep: 0.5}}'], 'print.yaml');
    const out = join(folder, 'elsewhere');
    const { stdout } = await sdpo(['sweep', file, '--out', out, '--print-commands']);
    await expect(stat(out)).rejects.toThrow();
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(2);
    await once(spawn('sh', ['-c', lines[0]!], { stdio: 'ignore' }), 'close');
    const collected = await sdpo(['sweep', file, '--out', out, '--collect']);
    expect([collected.code, collected.stdout]).toEqual([0, expect.stringContaining('missing c\n') as string]);
    expect(await readFile(join(out, 'results.csv'), 'utf8')).toContain("'=a b,");
  }, 60_000);

  it('refuses a figure that there is not before a run, and after it one that no run has', async () => {
    const lines = [BASE.replace('evalFraction: 0.2', 'evalFraction: 0'), 'runs: {a: {keep: 1}}'];
    const file = await sweepFile(lines, 'metric.yaml');
    const out = join(folder, 'metric');
    const sweep = (...metric: string[]) => sdpo(['sweep', file, '--out', out, ...metric]);
    for (const [metric, part] of [
      ['train/los', 'expected one of train/loss, '],
      ['WRONG', 'expected one of '],
      ['eval/loss', 'set evalFraction'],
    ] as const) {
      const { code, stderr } = await sweep('--metric', metric);
      expect([code, stderr], stderr).toEqual([2, expect.stringContaining(part) as string]);
    }
    await expect(stat(out)).rejects.toThrow();
    // Of a run in which no pair came twice; the results are published all the same.
    const absent = await sweep('--metric', 'train/selection/overlap_previous');
    expect([absent.code, absent.stderr]).toEqual([
      2,
      expect.stringContaining('expected one of train/selection/overlap_random, ') as string,
    ]);
    expect(await readFile(join(out, 'results.csv'), 'utf8')).toContain('finished');
    expect((await sweep('--metric', 'train/loss')).code).toBe(0);
    // Nobody asked for the default.
    expect((await sweep()).code).toBe(0);
  }, 60_000);

  it('refuses a bad file with all its problems before anything is started', async () => {
    const lines = [
      'base: {engin: wasm, maxSteps: many}',
      'grid:',
      '  keep: []',
      'runs: {a: {beta: 1}, a: {beta: 2}}',
    ];
    const out = join(folder, 'refused');
    const { code, stderr } = await sdpo(['sweep', await sweepFile(lines, 'bad.yaml'), '--out', out]);
    expect(code).toBe(2);
    const places = stderr
      .trim()
      .split('\n')
      .map((line) => /bad\.yaml:(\d+)/.exec(line)?.[1]);
    expect(places).toEqual(['3', '3', '5', '6']);
    await expect(stat(out)).rejects.toThrow();
  });
});
