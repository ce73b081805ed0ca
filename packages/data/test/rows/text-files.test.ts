import { gzipSync } from 'node:zlib';
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openPreferenceSource } from '../../src/rows/preference-source.js';
import { jsonArrayElements } from '../../src/rows/json-array.js';
import { jsonLines } from '../../src/rows/json-lines.js';
import { isDroppedRow } from '../../src/rows/preference-row.js';
import { collect, inputErrorOf, temporaryFolder } from './temporary-folder.js';

const write = temporaryFolder();
const rows = Array.from({ length: 40 }, (_, i) => ({
  prompt: `q${i} "quoted" [brackets] {braces}, commas \\ back`,
  chosen: `a${i} ü 😀`,
  rejected: `b${i}`,
}));
const lines = rows.map((row) => JSON.stringify(row)).join('\n');
const readAll = async (file: string): Promise<unknown[]> =>
  collect((await openPreferenceSource(file)).rows());

describe('kinds of text files', () => {
  it.each<[string, string | Uint8Array]>([
    ['rows.jsonl', lines],
    ['ends.jsonl', `\uFEFF${lines.replaceAll('\n', '\r\n\r\n')}\r\n`],
    ['lines-named.json', lines],
    ['rows.json', JSON.stringify(rows)],
    ['pretty.json', `\uFEFF\n${JSON.stringify(rows, null, 2)}\n`],
    ['rows.jsonl.gz', gzipSync(lines)],
    ['rows.json.gz', gzipSync(JSON.stringify(rows, null, 1))],
    ['no-extension', lines],
  ])('%s gives all rows in order, as often as asked', async (name, content) => {
    const source = await openPreferenceSource(write(name, content));
    expect(source.layout).toBe('preference');
    const read = await collect(source.rows());
    expect(read).toEqual(rows.map((text, row) => ({ row, text })));
    expect(await collect(source.rows())).toEqual(read);
  });

  it('stops at the limit, and keeps it in the fingerprint', async () => {
    const file = write('limited.jsonl', lines);
    const source = await openPreferenceSource(file, { limit: 3 });
    expect(await collect(source.rows())).toHaveLength(3);
    expect(await source.fingerprint()).toEqual({
      sha256: createHash('sha256').update(lines).digest('hex'),
      bytes: Buffer.byteLength(lines),
      layout: 'preference',
      limit: 3,
    });
    expect((await (await openPreferenceSource(file)).fingerprint()).limit).toBeNull();
  });

  it('drops unusable rows and goes on', async () => {
    const file = write('holes.jsonl', `${lines}\n{"prompt": "x"}\n[]\n${JSON.stringify(rows[0])}`);
    const read = (await collect((await openPreferenceSource(file)).rows())).slice(40);
    expect(read.map((row) => (isDroppedRow(row) ? row.reason : 'read'))).toEqual([
      'unreadable',
      'unreadable',
      'read',
    ]);
  });
});

describe('damaged text files', () => {
  const broken = lines.split('\n').with(16, '{"prompt": "x", ').join('\n');

  it('names the line of a broken row', async () => {
    const file = write('broken.jsonl', broken);
    const error = await inputErrorOf(() => readAll(file));
    expect(error.code).toBe('json-broken');
    expect(error.details).toMatchObject({ file, line: 17, row: 16 });
  });

  it('names the row of a broken element, and the line it begins on', async () => {
    const file = write('broken.json', `[\n${lines.split('\n').with(16, '{"prompt": x}').join(',\n')}\n]`);
    const error = await inputErrorOf(() => readAll(file));
    expect(error.code).toBe('json-broken');
    expect(error.details).toMatchObject({ file, line: 18, row: 16 });
  });

  it.each([
    ['cut inside a row', JSON.stringify(rows).slice(0, 500)],
    ['cut between rows', '[{"prompt":"a","chosen":"b","rejected":"c"},'],
    ['comma before the end', '[{"prompt":"a","chosen":"b","rejected":"c"},]'],
    ['no comma', '[{"prompt":"a","chosen":"b","rejected":"c"} {"prompt":"a"}]'],
    ['text after the end', '[{"prompt":"a","chosen":"b","rejected":"c"}] x'],
    ['mismatched brackets', '[{"prompt":"a","chosen":"b","rejected":["c"}]]'],
    ['too deep', `[{"prompt":"a","chosen":"b","rejected":${'['.repeat(300)}${']'.repeat(300)}}]`],
  ])('array: %s', async (name, content) => {
    const file = write(`${name}.json`, content);
    expect((await inputErrorOf(() => readAll(file))).code).toBe('json-broken');
  });

  it.each([
    ['empty.jsonl', '', 'file-empty'],
    ['blank.jsonl', ' \n\n ', 'file-kind-unknown'],
    ['no-rows.json', '[ ]', 'file-empty'],
    ['words.txt', 'hello', 'file-kind-unknown'],
    ['pointer.parquet', 'version https://git-lfs.example/spec/v1', 'parquet-unreadable'],
    ['pointer.arrow', 'version https://git-lfs.example/spec/v1', 'arrow-unreadable'],
    ['words.gz', gzipSync('hello'), 'file-kind-unknown'],
    ['cut.jsonl.gz', gzipSync(lines).subarray(0, 200), 'gzip-broken'],
    ['latin1.jsonl', Buffer.from('{"prompt":"\xe9","chosen":"b","rejected":"c"}', 'latin1'), 'not-utf8'],
  ])('%s', async (name, content, code) => {
    const file = write(name, content);
    const error = await inputErrorOf(() => readAll(file));
    expect([error.code, error.details.file]).toEqual([code, file]);
  });

  it('says so where there is no file, and for options that make no sense', async () => {
    expect((await inputErrorOf(() => openPreferenceSource('/nowhere.jsonl'))).code).toBe('file-not-found');
    const file = write('options.jsonl', lines);
    expect((await inputErrorOf(() => openPreferenceSource(file, { limit: 0 }))).code).toBe('option-invalid');
    const layout = 'other' as 'alpaca';
    expect((await inputErrorOf(() => openPreferenceSource(file, { layout }))).details.field).toBe('layout');
  });
});

describe('bounds', () => {
  const long = JSON.stringify({ prompt: 'x'.repeat(3000), chosen: 'a', rejected: 'b' });

  it.each([
    ['lines', (file: string, gzip: boolean, bytes: number) => jsonLines(file, gzip, bytes), long],
    [
      'array',
      (file: string, gzip: boolean, bytes: number) => jsonArrayElements(file, gzip, bytes),
      `[${long}]`,
    ],
  ])(
    '%s: a row over the limit is refused, also inside gzip; one below it is read',
    async (name, read, content) => {
      const plain = write(`long-${name}`, content);
      const packed = write(`long-${name}.gz`, gzipSync(content));
      for (const [file, gzip] of [
        [plain, false],
        [packed, true],
      ] as const) {
        expect((await inputErrorOf(() => collect(read(file, gzip, 1000)))).code).toBe('row-too-long');
        expect(await collect(read(file, gzip, 4000))).toEqual([{ text: long, line: 1 }]);
      }
    },
  );

  it('reads an array of 60 MB in the memory of a few pieces', async () => {
    const row = JSON.stringify({ prompt: 'p'.repeat(1000), chosen: 'c', rejected: 'r' });
    const file = write('large.json.gz', gzipSync(`[${`${row},`.repeat(60_000)}${row}]`, { level: 1 }));
    let count = 0;
    let peak = 0;
    const before = process.memoryUsage();
    for await (const { text } of jsonArrayElements(file, true)) {
      count += text.length === row.length ? 1 : 0;
      if (count % 2000 === 0) {
        const { heapUsed, external } = process.memoryUsage();
        peak = Math.max(peak, heapUsed + external - before.heapUsed - before.external);
      }
    }
    expect(count).toBe(60_001);
    expect(peak).toBeLessThan(45e6);
  });

  it('cuts elements rightly wherever the pieces end', async () => {
    const text = '[ 1, "a,]\\"b", [2,[3]], {"k": "}"} , true,null\n]';
    const padded = `${' '.repeat((1 << 18) - 20)}${text}`;
    for (const [i, content] of [text, padded, padded.slice(7), padded.slice(13)].entries()) {
      const elements = await collect(jsonArrayElements(write(`cuts-${i}.json`, content), false));
      expect(elements.map((element) => JSON.parse(element.text) as unknown)).toEqual(JSON.parse(text));
    }
  });
});
