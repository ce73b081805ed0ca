import { execFileSync } from 'node:child_process';
import { mkdir, readFile, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MetricsLog, lastMetricsIn, type MetricsLine } from '../src/run/metrics-log.js';
import { freshFolder } from './fresh-folder.js';
import { codesOf, refusalOf } from './refusal.js';

const line = (step: number, split: 'train' | 'eval' = 'train'): MetricsLine => ({
  ...{ split, step, loss: 1 / (step + 1), 'rewards/margins': -0.1 * step },
});

const figures = (step: number) => ({ loss: 1 / (step + 1), 'rewards/margins': -0.1 * step });

const textOf = (lines: MetricsLine[]) => lines.map((each) => `${JSON.stringify(each)}\n`).join('');

/** Steps 1 to 5 with evaluations before the first and after the 2nd and 4th. */
const RUN = [
  ...[line(0, 'eval'), line(1), line(2), line(2, 'eval'), line(3), line(4), line(4, 'eval'), line(5)],
];

async function fileOf(text: string): Promise<string> {
  const file = join(await freshFolder(), 'metrics.jsonl');
  await writeFile(file, text);
  return file;
}

/** Opens the file at a step and closes it; gives what is left in it, and the last figures. */
async function reopened(text: string, step: number) {
  const file = await fileOf(text);
  const log = await MetricsLog.open(file, step);
  await log.close();
  return { text: await readFile(file, 'utf8'), last: log.last };
}

describe('MetricsLog.append', () => {
  it('has the line in the file when it returns, before the log is closed', async () => {
    const file = join(await freshFolder(), 'metrics.jsonl');
    const log = await MetricsLog.open(file, 0);
    for (const [i, each] of RUN.entries()) {
      await log.append(each);
      expect(await readFile(file, 'utf8')).toBe(textOf(RUN.slice(0, i + 1)));
    }
    await log.close();
  });

  it('goes on behind the lines that were kept', async () => {
    const file = await fileOf(textOf(RUN));
    const log = await MetricsLog.open(file, 2);
    await log.append(line(3));
    await log.close();
    expect(await readFile(file, 'utf8')).toBe(textOf([...RUN.slice(0, 4), line(3)]));
  });
});

describe('MetricsLog.open', () => {
  it.each([
    [1, 2],
    [2, 4],
    [3, 5],
    [4, 7],
    [5, 8],
    [9, 8],
  ])('at step %i keeps the first %i lines and drops those of later steps', async (step, kept) => {
    expect((await reopened(textOf(RUN), step)).text).toBe(textOf(RUN.slice(0, kept)));
  });

  it('at step 0 keeps nothing, and needs no file', async () => {
    expect(await reopened(textOf(RUN), 0)).toEqual({ text: '', last: {} });
    const log = await MetricsLog.open(join(await freshFolder(), 'metrics.jsonl'), 0);
    expect(log.last).toEqual({});
    await log.close();
  });

  it('gives the last figures of each split among the lines that were kept', async () => {
    expect((await reopened(textOf(RUN), 3)).last).toEqual({ train: figures(3), eval: figures(2) });
    expect((await reopened(textOf(RUN), 4)).last).toEqual({ train: figures(4), eval: figures(4) });
    expect((await reopened(textOf([line(1), line(2)]), 2)).last).toEqual({ train: figures(2) });
  });

  it('cuts off a half-written last line, wherever it broke off', async () => {
    const whole = textOf(RUN.slice(0, 2));
    const last = JSON.stringify(line(2));
    for (let length = 0; length < last.length; length++) {
      const { text, last: figuresKept } = await reopened(whole + last.slice(0, length), 5);
      expect(text, `${length} characters`).toBe(whole);
      expect(figuresKept.train).toEqual(figures(1));
    }
    // Negative control: of the whole line only the line break is missing, and it comes back.
    expect((await reopened(whole + last, 5)).text).toBe(`${whole + last}\n`);
  });

  it.each([
    '',
    'null',
    '7',
    '"text"',
    '[]',
    '{}',
    '{"step":"2"}',
    '\u0000\u0000\u0000',
    '{"split":"train"}',
    '{"step":2}',
    '{"split":"__proto__","step":2}',
    '{"split":"train","step":2}',
    '{"split":"train","step":2,"loss":"x"}',
    '{"split":"train","step":2,"loss":null}',
    '{"split":"train","step":2,"loss":[1]}',
    '{"split":"train","step":2,"loss":{"a":1}}',
    '{"split":"train","step":2,"loss":1e400}',
    '{"split":"train","step":1.5,"loss":1}',
    '{"split":"train","step":-1,"loss":1}',
    '{"split":"train","step":2,"loss":1,"rewards/margins":"x"}',
    '{"split":"train","step":2,"loss":1,"|a|\\n# Heading":1}',
    '{"split":"train","step":2,"__proto__":{"loss":1}}',
  ])('drops the line %j, which no log wrote', async (foreign) => {
    const text = `${JSON.stringify(line(1))}\n${foreign}\n${JSON.stringify(line(2))}\n`;
    expect((await reopened(text, 5)).text).toBe(textOf([line(1), line(2)]));
  });

  it('drops a line nested beyond all measure', async () => {
    const deep = `{"split":"train","step":2,"loss":${'['.repeat(500_000)}${']'.repeat(500_000)}}`;
    const text = `${JSON.stringify(line(1))}\n${deep}\n${JSON.stringify(line(2))}\n`;
    expect((await reopened(text, 5)).text).toBe(textOf([line(1), line(2)]));
  });

  it('keeps lines that end in CR LF, and one that reaches over pieces of the file', async () => {
    const many = Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`figure_${i}`, i]));
    const long = { ...line(2), ...many };
    expect(JSON.stringify(long).length).toBeGreaterThan(1 << 17);
    const text = `${JSON.stringify(line(1))}\r\n${JSON.stringify(long)}\r\n${JSON.stringify(line(3))}`;
    expect((await reopened(text, 5)).text).toBe(textOf([line(1), long, line(3)]));
  });

  it.each([0, 3000])('refuses a file of zeros behind %d whole lines, however large', async (lines) => {
    const file = await fileOf(textOf(Array.from({ length: lines }, (_, i) => line(i + 1))));
    const { size } = await stat(file);
    await truncate(file, size + 700 * 2 ** 20);
    const before = process.memoryUsage().rss;
    const refused = [{ code: 'metrics-damaged', details: { file, line: lines + 1 } }];
    expect(await refusalOf(() => MetricsLog.open(file, 3))).toMatchObject(refused);
    expect(await refusalOf(() => lastMetricsIn(file))).toMatchObject(refused);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
    // Left as it was, with nothing beside it.
    expect((await stat(file)).size).toBe(size + 700 * 2 ** 20);
    expect(await readdir(join(file, '..'))).toEqual(['metrics.jsonl']);
  });

  it('refuses a pipe and a folder in the place of the file, without waiting for a writer', async () => {
    const folder = await freshFolder();
    const [pipe, inner] = [join(folder, 'pipe'), join(folder, 'inner')] as const;
    execFileSync('mkfifo', [pipe]);
    await mkdir(inner);
    for (const file of [pipe, inner]) {
      for (const read of [() => MetricsLog.open(file, 3), () => lastMetricsIn(file)]) {
        expect(await refusalOf(read)).toMatchObject([{ code: 'not-a-file', details: { file } }]);
      }
    }
    expect(codesOf(await refusalOf(() => MetricsLog.open(inner, 0)))).toEqual(['is-a-folder']);
    // A new run makes its own file in the place of the pipe.
    const log = await MetricsLog.open(pipe, 0);
    await log.append(line(1));
    await log.close();
    expect(await readFile(pipe, 'utf8')).toBe(textOf([line(1)]));
  });

  it('leaves nothing beside the file', async () => {
    const file = await fileOf(textOf(RUN));
    const log = await MetricsLog.open(file, 3);
    await log.close();
    expect(await readdir(join(file, '..'))).toEqual(['metrics.jsonl']);
  });

  it('refuses to go on without the lines of the steps before', async () => {
    const folder = await freshFolder();
    const missing = join(folder, 'metrics.jsonl');
    expect(codesOf(await refusalOf(() => MetricsLog.open(missing, 3)))).toEqual(['file-not-found']);
    expect(await readdir(folder)).toEqual([]);
  });

  it('names the folder that is not there', async () => {
    const nowhere = join(await freshFolder(), 'nowhere', 'metrics.jsonl');
    expect(await refusalOf(() => MetricsLog.open(nowhere, 0))).toMatchObject([
      { code: 'file-not-found', details: { file: nowhere } },
    ]);
  });
});
