import { readFileSync } from 'node:fs';
import {
  Field,
  List,
  makeData,
  Null,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { ColumnarDecoder, columnarRows } from '../../src/rows/columnar-rows.js';
import { openPreferenceSource } from '../../src/rows/preference-source.js';
import { CODECS, conversationFields, messageList, writeParquet } from './parquet-fixture.js';
import { collect, inputErrorOf, temporaryFolder } from './temporary-folder.js';

const write = temporaryFolder();
const count = 700;
const conversations = Array.from({ length: count }, (_, i) => ({
  prompt: `q${i}`,
  chosen: [
    { role: 'user', content: `q${i}` },
    { role: 'assistant', content: `good ü ${i}` },
  ],
  rejected: [
    { role: 'user', content: `q${i}` },
    { role: 'assistant', content: `bad ${i}` },
  ],
}));
const expected = conversations.map(({ chosen, rejected }, row) => ({
  row,
  conversation: { prompt: [chosen[0]], chosen: [chosen[1]], rejected: [rejected[1]] },
  text: {
    prompt: `\n\nHuman: ${chosen[0]!.content}\n\nAssistant:`,
    chosen: ` ${chosen[1]!.content}`,
    rejected: ` ${rejected[1]!.content}`,
  },
}));

async function parquetFile(name: string, codec: string, rowGroup = 256): Promise<string> {
  const file = write(name, '');
  const rows = conversations.map(({ prompt, chosen, rejected }) => ({
    prompt,
    chosen: messageList(...chosen),
    rejected: messageList(...rejected),
    score: 1.5,
  }));
  await writeParquet(file, conversationFields(codec), rows, rowGroup);
  return file;
}

describe('Parquet', () => {
  it.each(CODECS)('reads lists of structs packed with %s, over several row groups', async (codec) => {
    const source = await openPreferenceSource(await parquetFile(`${codec}.parquet`, codec));
    expect(source.layout).toBe('preference');
    expect(await collect(source.rows())).toEqual(expected);
  });

  it('stops early without waiting for the rest', async () => {
    const source = await openPreferenceSource(await parquetFile('early.parquet', 'SNAPPY'), { limit: 5 });
    expect(await collect(source.rows())).toEqual(expected.slice(0, 5));
  });

  it('names all columns where the layout is unknown', async () => {
    const file = write('other.parquet', '');
    await writeParquet(file, { question: { type: 'UTF8' }, answer: { type: 'UTF8' } }, [
      { question: 'a', answer: 'b' },
    ]);
    const error = await inputErrorOf(() => openPreferenceSource(file));
    expect([error.code, error.details.found]).toEqual(['layout-unknown', 'fields question, answer']);
  });

  it('refuses a file cut in half with one error, at once', async () => {
    const bytes = readFileSync(await parquetFile('whole.parquet', 'SNAPPY'));
    const file = write('half.parquet', bytes.subarray(0, bytes.length / 2));
    const started = performance.now();
    const error = await inputErrorOf(() => openPreferenceSource(file));
    expect([error.code, error.details.file]).toEqual(['parquet-unreadable', file]);
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('answers damaged bytes with rows or one typed error, never with a hang or another error', async () => {
    const bytes = readFileSync(await parquetFile('good.parquet', 'SNAPPY'));
    const outcomes = new Set<string>();
    for (let i = 0; i < 24; i++) {
      const damaged = Buffer.from(bytes);
      const at = damaged.length - 1 - Math.floor(((i + 1) * damaged.length) / 26);
      damaged[at] = damaged[at]! ^ (1 << (i % 8));
      const rows = columnarRows(
        write(`damaged-${i}.parquet`, damaged),
        'parquet',
        ['chosen', 'rejected'],
        3000,
      );
      try {
        await collect(rows);
        outcomes.add('rows');
      } catch (error) {
        outcomes.add((error as { code?: string }).code ?? String(error));
      }
    }
    for (const outcome of outcomes) expect(['rows', 'parquet-unreadable']).toContain(outcome);
    expect(outcomes).toContain('parquet-unreadable');
  });

  it('gives up at the deadline', async () => {
    const file = await parquetFile('slow.parquet', 'SNAPPY');
    const error = await inputErrorOf(() => collect(columnarRows(file, 'parquet', ['chosen'], 0)));
    expect([error.code, error.details.found]).toEqual(['parquet-unreadable', 'no result after 0 ms']);
  });
});

describe('one decoder for many files', () => {
  it('reads them one after the other: whole, left in the middle, damaged, given up at the deadline', async () => {
    const decoder = new ColumnarDecoder();
    const read = (file: string, deadlineMs?: number) =>
      collect(decoder.rows({ file, kind: 'parquet', columns: ['prompt'] }, deadlineMs));
    const file = await parquetFile('many.parquet', 'SNAPPY');
    const bytes = readFileSync(file);
    const half = write('many-half.parquet', bytes.subarray(0, bytes.length / 2));
    const prompts = conversations.map(({ prompt }) => prompt);
    const wholeAgain = async () =>
      expect((await read(file)).map(({ value }) => value['prompt'])).toEqual(prompts);
    await wholeAgain();
    for await (const { value } of decoder.rows({ file, kind: 'parquet', columns: ['chosen'] })) {
      expect(value['chosen']).toEqual(conversations[0]!.chosen);
      break;
    }
    await wholeAgain();
    for (const [broken, deadlineMs, found] of [
      [half, undefined, 'no PAR1 at the end'],
      [file, 0, 'no result after 0 ms'],
    ] as const) {
      // A millisecond may be enough for once.
      const given = async () => {
        for (let tries = 0; tries < 200; tries++) await read(broken, deadlineMs);
      };
      const error = await inputErrorOf(given);
      expect([error.code, error.details.file]).toEqual(['parquet-unreadable', broken]);
      expect(error.details.found).toContain(found);
      await wholeAgain();
    }
    await decoder.close();
  });

  it('tells who waits for rows that it was closed', async () => {
    const decoder = new ColumnarDecoder();
    const file = await parquetFile('closed.parquet', 'SNAPPY');
    const rows = decoder.rows({ file, kind: 'parquet', columns: ['chosen'] });
    const waiting = inputErrorOf(() => rows.next());
    await decoder.close();
    expect((await waiting).details.found).toContain('the decoder ended');
  });
});

describe('Arrow IPC', () => {
  const message = new Struct<{ role: Utf8; content: Utf8 }>([
    new Field('role', new Utf8()),
    new Field('content', new Utf8()),
  ]);
  const messages = new List(new Field('item', message));
  const table = new Table({
    prompt: vectorFromArray(
      conversations.map((row) => row.prompt),
      new Utf8(),
    ),
    chosen: vectorFromArray(
      conversations.map((row) => row.chosen),
      messages,
    ),
    rejected: vectorFromArray(
      conversations.map((row) => row.rejected),
      messages,
    ),
  });
  const batches = new Table([0, 1].flatMap(() => table.batches));
  const stream = tableToIPC(batches, 'stream');

  it.each<['file' | 'stream']>([['file'], ['stream']])('reads a %s of several batches', async (format) => {
    const file = write(`rows-${format}.arrow`, tableToIPC(batches, format));
    const read = await collect((await openPreferenceSource(file)).rows());
    expect(read).toHaveLength(2 * count);
    expect(read.slice(0, count)).toEqual(expected);
    expect(read.at(-1)).toEqual({ ...expected.at(-1), row: 2 * count - 1 });
  });

  it('reads a stream that ends without its end mark', async () => {
    const writer = RecordBatchStreamWriter.writeAll(table.batches);
    const bytes = await writer.toUint8Array();
    const file = write('unfinished.arrow', bytes.subarray(0, bytes.length - 8));
    expect(await collect((await openPreferenceSource(file)).rows())).toHaveLength(count);
  });

  it.each<[string, Uint8Array]>([
    ['a stream cut in half', stream.subarray(0, stream.length >> 1)],
    ['a file cut in half', tableToIPC(batches, 'file').subarray(0, stream.length >> 1)],
    ['an empty first message', Buffer.from('ffffffff10000000'.padEnd(64, '0'), 'hex')],
  ])('refuses %s', async (name, bytes) => {
    const file = write(`${name}.arrow`, bytes);
    const error = await inputErrorOf(async () => collect((await openPreferenceSource(file)).rows()));
    expect([error.code, error.details.file]).toEqual(['arrow-unreadable', file]);
  });

  it('refuses two thousand million rows of nothing in a few hundred bytes, and reads a thousand', async () => {
    const fields = ['prompt', 'chosen', 'rejected'].map((name) => new Field(name, new Null(), true));
    const ofNulls = (length: number): string => {
      const children = fields.map(() => makeData({ type: new Null(), length }));
      const data = makeData({ type: new Struct(fields), length, nullCount: 0, children });
      const batch = new RecordBatch(new Schema(fields), data as never);
      return write(`nulls-${length}.arrow`, RecordBatchFileWriter.writeAll([batch]).toUint8Array(true));
    };
    const read = async (file: string) =>
      collect((await openPreferenceSource(file, { layout: 'preference' })).rows());
    const error = await inputErrorOf(() => read(ofNulls(2 ** 31 - 1)));
    expect([error.code, error.details.found]).toEqual([
      'arrow-unreadable',
      expect.stringContaining('2147483647 rows'),
    ]);
    expect(await read(ofNulls(1000))).toHaveLength(1000);
  });

  it('answers damaged bytes with rows or one typed error', async () => {
    for (let i = 0; i < 16; i++) {
      const damaged = Buffer.from(stream);
      const at = Math.floor(((i + 0.5) * damaged.length) / 16);
      damaged[at] = damaged[at]! ^ 0x80;
      const rows = columnarRows(write(`damaged-${i}.arrow`, damaged), 'arrow-stream', ['chosen'], 3000);
      const code = await collect(rows).then(
        () => 'rows',
        (error: { code?: string }) => error.code,
      );
      expect(['rows', 'arrow-unreadable']).toContain(code);
    }
  });
});
