import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readRow, type PreferenceLayout } from '../../src/rows/layout.js';
import { splitDialogues } from '../../src/rows/layout-hh-rlhf.js';
import { isDroppedRow, MAX_TEXT_LENGTH } from '../../src/rows/preference-row.js';
import { openPreferenceSource } from '../../src/rows/preference-source.js';
import { MAX_BLANK_RUN } from '../../src/rows/text-pieces.js';
import { collect, inputErrorOf, temporaryFolder } from './temporary-folder.js';

const write = temporaryFolder();
const line = (i: number): string => `${JSON.stringify({ prompt: `q${i}`, chosen: 'a', rejected: 'b' })}\n`;
const text = Array.from({ length: 5 }, (_, i) => line(i)).join('');
const codeOf = async (file: string): Promise<string> =>
  (await inputErrorOf(async () => collect((await openPreferenceSource(file)).rows()))).code;

describe('a file that is changed while it is used', () => {
  it.each<[string, (file: string) => void]>([
    ['another size', (file) => writeFileSync(file, text + line(9))],
    [
      'the same size',
      (file) => {
        writeFileSync(file, text.replace('q3', 'q7'));
        utimesSync(file, 2e9, 2e9);
      },
    ],
    [
      'another file of the same size and time',
      (file) => {
        writeFileSync(`${file}.new`, text);
        utimesSync(`${file}.new`, 1e9, 1e9);
        renameSync(`${file}.new`, file);
      },
    ],
  ])('%s: is refused when asked, and by a new fingerprint and new rows', async (name, change) => {
    const file = write(`${name}.jsonl`, text);
    utimesSync(file, 1e9, 1e9);
    const source = await openPreferenceSource(file);
    await source.fingerprint();
    expect(await collect(source.rows())).toHaveLength(5);
    await source.refuseChanged();
    change(file);
    for (const use of [
      () => source.refuseChanged(),
      () => source.fingerprint(),
      () => collect(source.rows()),
    ]) {
      const error = await inputErrorOf(use);
      expect([error.code, error.details.file]).toEqual(['dataset-changed', file]);
    }
  });

  it('is refused at the end of the rows during which it changed', async () => {
    const file = write('during.jsonl', text);
    const source = await openPreferenceSource(file, { limit: 3 });
    const error = await inputErrorOf(async () => {
      for await (const row of source.rows()) if (row.row === 1) writeFileSync(file, text + text);
    });
    expect(error.code).toBe('dataset-changed');
  });
});

describe('what is no regular file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sdpo-fifo-'));

  it('is refused: pipes without a writer, pipes that cannot seek, devices, folders', async () => {
    const fifo = join(folder, 'pipe.jsonl');
    execFileSync('mkfifo', [fifo]);
    const zero = join(folder, 'zero.jsonl');
    symlinkSync('/dev/zero', zero);
    for (const file of [fifo, zero, folder]) expect(await codeOf(file)).toBe('not-a-file');
    const linked = join(folder, 'link.jsonl');
    symlinkSync(write('target.jsonl', text), linked);
    expect(await collect((await openPreferenceSource(linked)).rows())).toHaveLength(5);
  });
});

describe('rows made to bring the reader down', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);

  it.each([
    ['a text', `{"prompt": "q", "chosen": ${deep}, "rejected": "b"}`],
    ['a content', `{"prompt": "q", "chosen": [{"role": "assistant", "content": ${deep}}], "rejected": "b"}`],
  ])('100,000 lists inside one another in place of %s', async (name, row) => {
    const file = write(`deep-${name}.jsonl`, text + row);
    const error = await inputErrorOf(async () => collect((await openPreferenceSource(file)).rows()));
    expect([error.code, error.details.row]).toEqual(['json-broken', 5]);
  });

  it('takes forty levels in a field nobody reads', async () => {
    const nested = '['.repeat(40) + ']'.repeat(40);
    const file = write('nested.jsonl', `{"prompt":"q","chosen":"a","rejected":"b","x":${nested}}`);
    const [row] = await collect((await openPreferenceSource(file)).rows());
    expect(isDroppedRow(row!)).toBe(false);
  });

  const long = 'x'.repeat(MAX_TEXT_LENGTH + 1);
  const turn = (content: string, role = 'assistant') => ({ role, content });
  it.each<[string, PreferenceLayout, object]>([
    ['a text', 'preference', { prompt: 'q', chosen: long, rejected: 'b' }],
    ['a prompt', 'preference', { prompt: long, chosen: 'a', rejected: 'b' }],
    [
      'many turns',
      'preference',
      {
        prompt: [turn('q', 'user')],
        chosen: Array(9).fill(turn(long.slice(0, 2 ** 17))),
        rejected: [turn('b')],
      },
    ],
    ['an instruction', 'alpaca', { instruction: long, chosen: 'a', rejected: 'b' }],
    ['a system text', 'alpaca', { system: long, instruction: 'q', chosen: 'a', rejected: 'b' }],
    [
      'a turn',
      'sharegpt',
      {
        conversations: [{ from: 'human', value: long }],
        chosen: { from: 'gpt', value: 'a' },
        rejected: { from: 'gpt', value: 'b' },
      },
    ],
    ['a dialogue', 'hh-rlhf', { chosen: `\n\nHuman: q\n\nAssistant: ${long}`, rejected: 'b' }],
    ['bytes', 'preference', { prompt: 'q', chosen: new Uint8Array(2 ** 21), rejected: 'b' }],
  ])('%s longer than a text may be, in %s rows', (_, layout, value) => {
    expect(readRow(layout, value, 3)).toMatchObject({ row: 3, reason: 'text-over-long' });
  });

  it('takes a text of just the limit, and does not count what no layout reads', () => {
    const value = { prompt: 'q', chosen: long.slice(1), rejected: 'b', notes: long };
    expect(isDroppedRow(readRow('preference', value, 0))).toBe(false);
  });

  it('splits two dialogues of many equal turns at once', () => {
    const turns = '\n\nAssistant:'.repeat(80_000);
    const started = performance.now();
    const { prompt } = splitDialogues(`\n\nHuman:${turns}x${turns}`, `\n\nHuman:${turns}y${turns}`);
    expect(prompt).toBe(`\n\nHuman:${turns}`);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it.each([
    ['lines.jsonl.gz', (blanks: string) => line(0) + blanks + line(1)],
    ['array.json.gz', (blanks: string) => `[${line(0)},${blanks}${line(1)}]`],
  ])('blanks without end, in %s', async (name, content) => {
    const read = async (blanks: string): Promise<string> => {
      const file = write(name, gzipSync(content(blanks), { level: 1 }));
      return collect((await openPreferenceSource(file)).rows()).then(
        (rows) => `${rows.length} rows`,
        (error: { code: string }) => error.code,
      );
    };
    expect(await read('\n'.repeat(MAX_BLANK_RUN + 5))).toBe('json-broken');
    expect(await read(`${' '.repeat(1000)}\n`.repeat(MAX_BLANK_RUN / 1000))).toBe('json-broken');
    expect(await read('\n'.repeat(MAX_BLANK_RUN - 5))).toBe('2 rows');
  });
});
