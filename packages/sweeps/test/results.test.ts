import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { describe, expect, it } from 'vitest';
import { Curve } from '../src/results/curve.js';
import { recordedRuns } from '../src/results/recorded-runs.js';
import { publishResults } from '../src/results/results-files.js';
import { runFigures } from '../src/results/run-figures.js';
import type { RunResult } from '../src/index.js';

const folder = () => mkdtemp(join(tmpdir(), 'sdpo-results-'));

const result = (
  name: string,
  change: Partial<RunResult['run']> = {},
  more: Partial<RunResult> = {},
): RunResult => ({
  run: {
    ...{
      name,
      key: '0123abcd',
      seed: 7,
      status: 'finished',
      values: { loss: 'ipo', keep: 0.4, shuffle: true },
    },
    ...{ metrics: { 'train/loss': 0.1 + 0.2, 'eval/loss': 1 }, curves: {} },
    ...change,
  },
  ...{ directory: '', steps: 12, timings: { 'train/tokens/s': 5 }, ...more },
});

const results = [
  result('=cmd|"x", y'),
  {
    ...result('b', { status: 'missing', metrics: {} }, { timings: {} }),
    steps: undefined,
  } as never as RunResult,
];
const swept = ['loss', 'keep', 'shuffle'];

async function bytesOf(directory: string): Promise<string[]> {
  const names = ['results.csv', 'results.parquet'];
  return Promise.all(names.map(async (name) => (await readFile(join(directory, name))).toString('base64')));
}

describe('the tables of a sweep', () => {
  it('have a row a run; what a spreadsheet would compute is text, and no time is among the results', async () => {
    const directory = await folder();
    await publishResults(directory, results, swept);
    const csv = await readFile(join(directory, 'results.csv'), 'utf8');
    expect(csv).toBe(
      'name,key,seed,loss,keep,shuffle,status,steps,eval/loss,train/loss\r\n' +
        '"\'=cmd|""x"", y",0123abcd,7,ipo,0.4,true,finished,12,1,0.30000000000000004\r\n' +
        'b,0123abcd,7,ipo,0.4,true,missing,,,\r\n',
    );
    expect(await readFile(join(directory, 'timings.csv'), 'utf8')).toBe(
      'name,key,train/tokens/s\r\n"\'=cmd|""x"", y",0123abcd,5\r\nb,0123abcd,\r\n',
    );
    const bytes = await readFile(join(directory, 'results.parquet'));
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
    const rows = await parquetReadObjects({ file, compressors });
    expect(rows[0]).toMatchObject({ name: '=cmd|"x", y', seed: 7, keep: 0.4, shuffle: 'true', steps: 12 });
    expect(rows[0]!['train/loss']).toBe(0.1 + 0.2);
    expect(rows[1]!['train/loss'] ?? null).toBeNull();
  });

  it('are the same bytes for the same results, and are left as they are then', async () => {
    const [one, two] = [await folder(), await folder()];
    await publishResults(one, results, swept);
    await publishResults(two, results, swept);
    expect(await bytesOf(two)).toEqual(await bytesOf(one));
    const before = await stat(join(one, 'results.csv'));
    await publishResults(one, results, swept);
    expect((await stat(join(one, 'results.csv'))).ino).toBe(before.ino);
    // Negative control: another figure gives other bytes.
    await publishResults(two, [result('=cmd|"x", y', { metrics: { 'train/loss': 0.3 } })], swept);
    expect((await bytesOf(two))[1]).not.toBe((await bytesOf(one))[1]);
  });
});

describe('the table read back', () => {
  it('has the runs, how they stood and their settings', async () => {
    const directory = await folder();
    expect(await recordedRuns(directory)).toEqual([]);
    await publishResults(directory, results, swept);
    const values = { seed: 7, loss: 'ipo', keep: 0.4, shuffle: true };
    expect(await recordedRuns(directory)).toEqual([
      { name: '=cmd|"x", y', key: '0123abcd', status: 'finished', values },
      { name: 'b', key: '0123abcd', status: 'missing', values },
    ]);
  });

  it.each(['', 'name\nb', 'name,key,seed,status\nb,1', 'name,key,seed,status\nb,1,2,odd\n', '\0\0'])(
    'has no runs where it is another: %j',
    async (text) => {
      const directory = await folder();
      await writeFile(join(directory, 'results.csv'), text);
      expect(await recordedRuns(directory)).toEqual([]);
    },
  );
});

describe('the figures of a run', () => {
  it('are the last of each split; times stand apart', async () => {
    const file = join(await folder(), 'metrics.jsonl');
    const lines = [
      { split: 'eval', step: 0, loss: 3 },
      { split: 'train', step: 1, loss: 2, 'tokens/s': 10, 'seconds/data': 1, 'memory/tensors': 4 },
      { split: 'train', step: 2, loss: 1, 'tokens/s': 11 },
    ];
    await writeFile(file, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"split": "tr`);
    expect(await runFigures(file, 400)).toEqual({
      ...{ steps: 2, metrics: { 'eval/loss': 3, 'train/loss': 1 } },
      timings: { 'train/tokens/s': 11, 'train/seconds/data': 1, 'train/memory/tensors': 4 },
      curves: {
        'eval/loss': [[0, 3]],
        'train/loss': [
          [1, 2],
          [2, 1],
        ],
      },
    });
    expect((await runFigures(join(await folder(), 'none'), 9)).steps).toBe(0);
  });

  it('are curves of bounded size from the first point to the last', () => {
    for (const limit of [2, 3, 10, 400]) {
      for (const count of [1, 2, 3, 9, 10, 11, 1000, 12_345]) {
        const curve = new Curve(limit);
        for (let step = 1; step <= count; step++) curve.add([step, -step]);
        const steps = curve.points.map(([step]) => step);
        expect(steps.length).toBeLessThanOrEqual(limit);
        expect([steps[0], steps.at(-1)]).toEqual([1, count]);
        expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
        expect(curve.points.every(([step, value]) => value === -step)).toBe(true);
        if (count < limit) expect(steps).toHaveLength(count);
      }
    }
  });
});
