/**
 * Parquet files with one fault each: those that apache/parquet-testing keeps in bad_data, made here by hand, and others of
 * their kind. All of them go the whole way, through the thread that the product decodes in.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDroppedRow, openPreferenceSource, type DroppedRow, type PreferenceRow } from '@selective-dpo/data';
import { InputError } from '@selective-dpo/foundation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gzipBomb, snappyBomb, zstdBomb } from '../src/mutation/bombs.js';
import { putTogether, setPayload, takeApart, type ParquetParts } from '../src/mutation/parquet-parts.js';
import {
  field,
  integerField,
  setInteger,
  structs,
  type ThriftList,
  type ThriftStruct,
} from '../src/mutation/thrift-compact.js';
import { TEXT_ROWS, dictionaryFile, flatFile, nestedFile } from '../src/targets/parquet-seeds.js';

let folder: string;
let seeds: Record<'flat' | 'optional' | 'second' | 'nested' | 'dictionary', Buffer>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdpo-bad-parquet-'));
  seeds = {
    flat: await flatFile('UNCOMPRESSED'),
    optional: await flatFile('UNCOMPRESSED', { optional: true }),
    second: await flatFile('SNAPPY', { optional: true }, true),
    nested: await nestedFile('UNCOMPRESSED'),
    dictionary: await dictionaryFile(),
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function rowsOf(content: Buffer): Promise<(PreferenceRow | DroppedRow)[]> {
  const path = join(folder, 'rows.parquet');
  await writeFile(path, content);
  const rows = [];
  for await (const row of (await openPreferenceSource(path)).rows()) rows.push(row);
  return rows;
}

async function refusal(content: Buffer): Promise<InputError> {
  try {
    const rows = await rowsOf(content);
    throw new Error(`${rows.length} rows`);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

type Kind = keyof typeof seeds;
type Change = (parts: ParquetParts) => void;

/** The page header's struct of its kind: 5 is a data page, 7 a dictionary, 8 a data page of the second version. */
const inner = (parts: ParquetParts, chunk: number, page: number, id: number): ThriftStruct =>
  field(parts.chunks[chunk]!.pages[page]!.header, id) as ThriftStruct;
const payload = (parts: ParquetParts, chunk: number, page = 0): Buffer =>
  parts.chunks[chunk]!.pages[page]!.payload;
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

/** Faults in pages and their headers, with what the error has to say. */
const IN_PAGES: [string, Kind, Change, RegExp][] = [
  [
    'a dictionary of −100 values (ARROW-RS-GH-6229-DICTHEADER)',
    'dictionary',
    (parts) => setInteger(inner(parts, 0, 0, 7), 1, -100n, 5),
    /-100 values/,
  ],
  [
    'fewer repetition levels than values (ARROW-RS-GH-6229-LEVELS)',
    'nested',
    (parts) => {
      const count = integerField(inner(parts, 1, 0, 5), 1);
      count.integer += 64n;
      integerField(parts.chunks[1]!.metadata, 5).integer += 64n;
    },
    /beyond the end of its page/,
  ],
  [
    'levels cut short (ARROW-GH-41321)',
    'nested',
    (parts) => payload(parts, 1).writeUInt32LE(1, 0),
    /beyond the end of its page/,
  ],
  [
    'columns of unequal lengths (ARROW-GH-41317)',
    'flat',
    (parts) => {
      integerField(inner(parts, 2, 0, 5), 1).integer -= 1n;
      integerField(parts.chunks[2]!.metadata, 5).integer -= 1n;
    },
    /6 rows in a group of 7/,
  ],
  [
    'repetition levels that begin with 1 (ARROW-GH-45185)',
    'nested',
    (parts) => {
      const levels = payload(parts, 1);
      // After the length and the head of a run: the first byte of levels, of one bit each, or a repeated one.
      levels[5]! |= 1;
    },
    /begins within a row/,
  ],
  [
    'nulls in a column that has none (ARROW-GH-47662)',
    'second',
    (parts) => setInteger(inner(parts, 0, 0, 8), 2, 3n, 5),
    /3 nulls, where 0 are/,
  ],
  [
    'a run of 2³¹ definition levels',
    'optional',
    (parts) =>
      setPayload(
        parts.chunks[0]!.pages[0]!,
        Buffer.concat([bytes('06000000feffffff0f01'), payload(parts, 0)]),
      ),
    /a run of 2147483647/,
  ],
  [
    'a bit-packed run of 2³¹ levels',
    'optional',
    (parts) =>
      setPayload(
        parts.chunks[0]!.pages[0]!,
        Buffer.concat([bytes('06000000ffffffff0f01'), payload(parts, 0)]),
      ),
    /a run of \d+ where 7 are left/,
  ],
  [
    'levels of 4 GiB',
    'optional',
    (parts) => payload(parts, 0).writeUInt32LE(0xffffffff, 0),
    /levels beyond the end/,
  ],
  [
    'places beyond a dictionary',
    'dictionary',
    (parts) => payload(parts, 0, 1).fill(0xff, 2),
    /value 15 of a dictionary of 7/,
  ],
  ['places of 33 bits', 'dictionary', (parts) => payload(parts, 0, 1).fill(33, 0, 1), /numbers of 33 bits/],
  [
    'a text of 4 GiB',
    'flat',
    (parts) => payload(parts, 0).writeUInt32LE(0xffffffff, 0),
    /\d of 7 values|a value beyond/,
  ],
  ['−1 values in a page', 'flat', (parts) => setInteger(inner(parts, 0, 0, 5), 1, -1n, 5), /-1 values/],
  [
    '2³¹ values in a page',
    'flat',
    (parts) => setInteger(inner(parts, 0, 0, 5), 1, 2n ** 31n - 1n, 5),
    /2147483647 values/,
  ],
  [
    'an encoding that there is not',
    'flat',
    (parts) => setInteger(inner(parts, 0, 0, 5), 2, 99n, 5),
    /encoding 99/,
  ],
  [
    'a page of −1 packed bytes',
    'flat',
    (parts) => setInteger(parts.chunks[0]!.pages[0]!.header, 3, -1n, 5),
    /-1 packed bytes/,
  ],
  [
    'levels of the second version beyond their page',
    'second',
    (parts) => setInteger(inner(parts, 0, 0, 8), 5, 100_000n, 5),
    /levels beyond the end/,
  ],
  [
    'pages of an index among the data',
    'flat',
    (parts) => setInteger(parts.chunks[0]!.pages[0]!.header, 1, 1n, 5),
    /an index among the data/,
  ],
  [
    'two dictionaries',
    'dictionary',
    (parts) => parts.chunks[0]!.pages.unshift(structuredClone(parts.chunks[0]!.pages[0]!)),
    /two dictionaries/,
  ],
];

/** Faults in the footer. */
const IN_FOOTER: [string, Kind, (footer: ThriftStruct) => void, RegExp][] = [
  [
    'a column of a type that there is not (PARQUET-1481)',
    'flat',
    (footer) => setInteger(structs(footer, 2)[1]!, 1, 50n, 5),
    /column|type/,
  ],
  [
    'a dictionary at byte 0',
    'dictionary',
    (footer) => setInteger(columnOf(footer), 11, 0n),
    /dictionary that is not there|values in a column/,
  ],
  [
    'pages that begin before the file',
    'flat',
    (footer) => setInteger(columnOf(footer), 9, -4n),
    /begins nowhere/,
  ],
  ['pages beyond the end', 'flat', (footer) => setInteger(columnOf(footer), 9, 2n ** 40n), /past the end/],
  [
    'a column of −1 bytes',
    'flat',
    (footer) => setInteger(columnOf(footer), 7, -1n),
    /outside the file|column/,
  ],
  [
    'a column of 2⁶³ bytes',
    'flat',
    (footer) => setInteger(columnOf(footer), 7, 2n ** 63n - 1n),
    /past the end/,
  ],
  ['−1 values in a column', 'flat', (footer) => setInteger(columnOf(footer), 5, -1n), /values in a column/],
  ['−1 rows', 'flat', (footer) => setInteger(structs(footer, 4)[0]!, 3, -1n), /-1 rows/],
  ['2⁶² rows', 'flat', (footer) => setInteger(structs(footer, 4)[0]!, 3, 2n ** 62n), /rows/],
  [
    'a list of 2³¹ row groups',
    'flat',
    (footer) => ((field(footer, 4) as ThriftList).count = 2 ** 31 - 1),
    /./,
  ],
  [
    'a column of another name than the schema has',
    'flat',
    (footer) => (columnOf(footer).fields.find(([id]) => id === 3)![1] = field(columnOf(footer, 1), 3)),
    /other columns than the schema/,
  ],
  ['a codec that there is not', 'flat', (footer) => setInteger(columnOf(footer), 4, 77n, 5), /packed by/],
];

function columnOf(footer: ThriftStruct, column = 0): ThriftStruct {
  return field(structs(structs(footer, 4)[0]!, 1)[column]!, 3) as ThriftStruct;
}

describe('Parquet files', () => {
  it('as writers make them are read: flat, with nulls, of both versions, nested, with dictionaries', async () => {
    for (const kind of ['flat', 'optional', 'second', 'dictionary'] as const) {
      const rows = await rowsOf(seeds[kind]);
      expect(await rowsOf(putTogether(takeApart(seeds[kind]))), kind).toEqual(rows);
      expect(
        rows.map((row) => (row as PreferenceRow).text),
        kind,
      ).toEqual(TEXT_ROWS);
    }
    expect(await rowsOf(seeds.nested)).toHaveLength(TEXT_ROWS.length);
  });

  it.each(IN_PAGES)('with %s are refused', async (_, kind, change, found) => {
    const parts = takeApart(seeds[kind]);
    change(parts);
    const error = await refusal(putTogether(parts));
    expect(error.code).toBe('parquet-unreadable');
    expect(error.details.found).toMatch(found);
  });

  it.each(IN_FOOTER)('with %s are refused', async (_, kind, change, found) => {
    const error = await refusal(putTogether(takeApart(seeds[kind]), change));
    expect(error.code).toBe('parquet-unreadable');
    expect(error.details.found).toMatch(found);
  });

  it('with places of no bits have the first value everywhere (ARROW-GH-43605)', async () => {
    const parts = takeApart(seeds.dictionary);
    setPayload(parts.chunks[0]!.pages[1]!, bytes('000e'));
    const rows = await rowsOf(putTogether(parts));
    const prompts = rows.map((row) => (row as PreferenceRow).text?.prompt);
    expect(prompts.slice(0, 7)).toEqual(Array(7).fill(TEXT_ROWS[0]!.prompt));
    expect(prompts.slice(7)).toEqual(TEXT_ROWS.slice(7).map(({ prompt }) => prompt));
  });

  it('whose texts are said to be bytes of a fixed length give no text (ARROW-RS-GH-11261-FLBA-DICT)', async () => {
    const file = putTogether(takeApart(seeds.dictionary), (footer) => {
      for (const element of structs(footer, 2).slice(1)) {
        setInteger(element, 1, 7n, 5);
        setInteger(element, 2, 3n, 5);
        element.fields = element.fields.filter(([id]) => id !== 6 && id !== 10);
      }
      for (const group of structs(footer, 4)) {
        for (const column of structs(group, 1)) setInteger(field(column, 3) as ThriftStruct, 1, 7n, 5);
      }
    });
    expect((await rowsOf(file)).every(isDroppedRow)).toBe(true);
  });
});

describe('pages that unpack to very much', () => {
  const [SNAPPY, GZIP, ZSTD] = [1n, 2n, 6n];
  const GIBIBYTE = 1 << 30;

  it.each([
    ['gzip, as they say', GZIP, () => gzipBomb(GIBIBYTE), GIBIBYTE],
    ['gzip, though they say 100 bytes', GZIP, () => gzipBomb(1 << 26), 100],
    ['Zstandard, as they say', ZSTD, () => zstdBomb(GIBIBYTE), GIBIBYTE],
    ['Zstandard, though they say 100 bytes', ZSTD, () => zstdBomb(GIBIBYTE), 100],
    ['Snappy, as they say', SNAPPY, () => snappyBomb(1 << 27), GIBIBYTE],
    ['Snappy, though they say 100 bytes', SNAPPY, () => snappyBomb(1 << 26), 100],
  ])('are refused: %s', async (_, codec, bomb, stated) => {
    const parts = takeApart(seeds.flat);
    setInteger(parts.chunks[0]!.metadata, 4, codec, 5);
    setPayload(parts.chunks[0]!.pages[0]!, bomb(), stated);
    const error = await refusal(putTogether(parts));
    expect(error.code).toBe('parquet-unreadable');
    expect(error.details.found).toMatch(
      stated === 100 ? /unpack|Cannot create a Buffer|snappy|length|larger|memory access/i : /unpacked bytes/,
    );
  });

  it('are read where they are as large as texts are', async () => {
    const parts = takeApart(seeds.flat);
    const texts = payload(parts, 0);
    setInteger(parts.chunks[0]!.metadata, 4, GZIP, 5);
    const { gzipSync } = await import('node:zlib');
    setPayload(parts.chunks[0]!.pages[0]!, gzipSync(texts), texts.length);
    const prompts = (await rowsOf(putTogether(parts))).map((row) => (row as PreferenceRow).text?.prompt);
    expect(prompts).toEqual(TEXT_ROWS.map(({ prompt }) => prompt));
  });
});
