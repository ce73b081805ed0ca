/** Small Parquet files of preferences in the forms that writers use: flat and nested, packed, with dictionary, of both page versions. */
import { createRequire } from 'node:module';
import { PassThrough } from 'node:stream';
import { putTogether, setPayload, takeApart } from '../mutation/parquet-parts.js';
import {
  field,
  integerField,
  readStruct,
  setInteger,
  structs,
  type ThriftStruct,
} from '../mutation/thrift-compact.js';

interface ParquetJs {
  ParquetSchema: new (fields: object) => object;
  ParquetWriter: {
    openStream(
      schema: object,
      sink: object,
      options: { rowGroupSize: number; useDataPageV2?: boolean },
    ): Promise<{ appendRow(row: object): Promise<void>; close(): Promise<void> }>;
  };
}

const parquet = createRequire(import.meta.url)('parquetjs-lite') as ParquetJs;

export interface TextRow {
  prompt: string;
  chosen: string;
  rejected: string;
}

/** What the flat files hold. */
export const TEXT_ROWS: readonly TextRow[] = Array.from({ length: 12 }, (_, i) => ({
  prompt: `Question ${i}?`,
  chosen: `Yes ${'é'.repeat(i)}🙂.`,
  rejected: i === 3 ? '' : `No, not ${i}.`,
}));

/** A file of these columns and rows, in row groups of seven rows. */
export async function parquetFile(
  fields: object,
  rows: readonly object[],
  useDataPageV2 = false,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const sink = new PassThrough();
  sink.on('data', (piece: Buffer) => pieces.push(piece));
  const options = { rowGroupSize: 7, useDataPageV2 };
  const writer = await parquet.ParquetWriter.openStream(new parquet.ParquetSchema(fields), sink, options);
  for (const row of rows) await writer.appendRow(row);
  await writer.close();
  return Buffer.concat(pieces);
}

/** Three texts a row. */
export function flatFile(compression: string, more: object = {}, useDataPageV2 = false): Promise<Buffer> {
  const text = { type: 'UTF8', compression, ...more };
  return parquetFile({ prompt: text, chosen: text, rejected: text }, TEXT_ROWS, useDataPageV2);
}

/** Answers as lists of structs, in the three-level form. */
export function nestedFile(compression: string): Promise<Buffer> {
  const text = { type: 'UTF8', compression };
  const messages = {
    type: 'LIST',
    fields: { list: { repeated: true, fields: { element: { fields: { role: text, content: text } } } } },
  };
  const turns = (content: string, count: number) => ({
    list: Array.from({ length: count }, (_, i) => ({
      element: { role: i % 2 === 0 ? 'user' : 'assistant', content },
    })),
  });
  const rows = TEXT_ROWS.map(({ prompt, chosen, rejected }, i) => ({
    prompt,
    chosen: turns(chosen, 1 + (i % 3)),
    rejected: turns(rejected, 2),
  }));
  return parquetFile({ prompt: text, chosen: messages, rejected: messages }, rows);
}

/** PLAIN_DICTIONARY's and RLE_DICTIONARY's number in parquet.thrift. */
const [PLAIN, RLE_DICTIONARY] = [0n, 8n];

/** The flat file with a dictionary page in front of each column's indices: bit-packed groups of eight, four bits each. */
export async function dictionaryFile(): Promise<Buffer> {
  const parts = takeApart(await flatFile('UNCOMPRESSED'));
  for (const { metadata, pages } of parts.chunks) {
    const [page] = pages;
    const count = Number(integerField(field(page!.header, 5) as ThriftStruct, 1).integer);
    const groups = Math.ceil(count / 8);
    const indices = Buffer.alloc(2 + 4 * groups);
    indices[0] = 4;
    indices[1] = (groups << 1) | 1;
    for (let i = 0; i < count; i++) indices[2 + (i >> 1)]! |= i << (i % 2 === 0 ? 0 : 4);
    const dictionary = { header: dictionaryHeader(count), payload: page!.payload };
    setPayload(dictionary, page!.payload);
    setInteger(field(page!.header, 5) as ThriftStruct, 2, RLE_DICTIONARY, 5);
    setPayload(page!, indices);
    pages.unshift(dictionary);
    setInteger(metadata, 11, 0n);
  }
  return putTogether(parts);
}

/** PageHeader of a dictionary page; its sizes are set later. */
function dictionaryHeader(count: number): ThriftStruct {
  const header: ThriftStruct = { type: 12, fields: [] };
  setInteger(header, 1, 2n, 5);
  const inner: ThriftStruct = { type: 12, fields: [] };
  setInteger(inner, 1, BigInt(count), 5);
  setInteger(inner, 2, PLAIN, 5);
  header.fields.push([7, inner]);
  return header;
}

/** Number of rows that a file's footer states; undefined where the footer cannot be read. */
export function statedRows(file: Buffer): number | undefined {
  try {
    const { struct } = readStruct(file, file.length - 8 - file.readUInt32LE(file.length - 8));
    const rows = structs(struct, 4).map((group) => Number(integerField(group, 3).integer));
    const sum = rows.reduce((total, count) => total + count, 0);
    return Number.isFinite(sum) ? sum : undefined;
  } catch {
    return undefined;
  }
}
