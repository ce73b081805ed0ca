/** Preference files of strangers in Parquet and Arrow: what decodes them in the product's worker thread, here in this one. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  Field,
  List,
  RecordBatchStreamWriter,
  Struct,
  Table,
  Utf8,
  tableToIPC,
  vectorFromArray,
  type DataType,
} from 'apache-arrow';
import { LAYOUT_FIELDS, decodeArrow, decodeParquet, type ColumnarAnswer } from '@selective-dpo/data/decoding';
import { zstdBomb } from '../mutation/bombs.js';
import { changeBytes, overwriteAlignedInteger } from '../mutation/byte-mutations.js';
import { PARQUET_MUTATIONS } from '../mutation/parquet-mutations.js';
import type { Mutation } from '../mutation/mutation.js';
import type { FuzzTarget, PreparedTarget } from '../run/target.js';
import { pollution } from './json-oracle.js';
import { packedStream, repeated } from './arrow-seeds.js';
import { TEXT_ROWS, dictionaryFile, flatFile, nestedFile, statedRows } from './parquet-seeds.js';

/** Types that a cell may have: what a thread can send to another. */
function wrongCell(value: unknown, depth = 0): string | undefined {
  if (value === undefined) return 'a value got lost';
  if (depth > 70) return 'a value nested without end';
  if (value === null || ['string', 'number', 'bigint', 'boolean'].includes(typeof value)) return undefined;
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (ArrayBuffer.isView(value) || value instanceof Date) return undefined;
  for (const inner of Object.values(value)) {
    const wrong = wrongCell(inner, depth + 1);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** All answers of a decoder; its plain errors are what the product makes one typed error of. */
async function wrongIn(
  answers: AsyncGenerator<ColumnarAnswer>,
  rows: number | undefined,
): Promise<string | undefined> {
  let read = 0;
  let wrong: string | undefined;
  let ended = false;
  for await (const answer of answers) {
    if (answer.type === 'schema') {
      if (!answer.fields.every((name) => typeof name === 'string')) return 'a field without a name';
    } else if (answer.type === 'rows') {
      read += answer.rows.length;
      if (answer.rows.some((row) => row.length !== answer.columns.length)) return 'rows of another width';
      wrong ??= answer.rows
        .flat()
        .map((cell) => wrongCell(cell))
        .find((one) => one !== undefined);
      structuredClone(answer);
    } else ended = answer.type === 'end';
  }
  if (!ended) return 'no end';
  if (rows !== undefined && read !== rows && read > 0) return `${read} rows of ${rows}`;
  return wrong ?? pollution();
}

/** Errors of the engine that mean a limit was passed before anybody looked at it. */
const BEYOND_MEMORY = /Array buffer allocation failed|Cannot create a string longer/;

function decoderError(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.message === '') return undefined;
  return BEYOND_MEMORY.test(error.message) ? undefined : 'unreadable';
}

async function prepareParquet(folder: string): Promise<PreparedTarget> {
  const path = join(folder, 'rows.parquet');
  return {
    seeds: [
      await flatFile('UNCOMPRESSED'),
      await flatFile('SNAPPY'),
      await flatFile('GZIP'),
      await flatFile('UNCOMPRESSED', { optional: true }),
      await flatFile('SNAPPY', { optional: true }, true),
      await nestedFile('UNCOMPRESSED'),
      await nestedFile('SNAPPY'),
      await dictionaryFile(),
    ],
    async check(input) {
      await writeFile(path, input);
      return wrongIn(decodeParquet(path, LAYOUT_FIELDS), statedRows(input));
    },
    codeOf: decoderError,
  };
}

export const parquetTarget: FuzzTarget = {
  ...{ name: 'parquet', what: 'preference files in Parquet', memoryMiB: 1024, prepare: prepareParquet },
  mutations: [...PARQUET_MUTATIONS, ...PARQUET_MUTATIONS, changeBytes],
};

function arrowTable(): Table {
  const message = new Struct<{ role: Utf8; content: Utf8 }>([
    new Field('role', new Utf8()),
    new Field('content', new Utf8()),
  ]);
  const turns = TEXT_ROWS.map(({ chosen }) => [{ role: 'assistant', content: chosen }]);
  const once = new Table({
    prompt: vectorFromArray(
      TEXT_ROWS.map((row) => row.prompt),
      new Utf8(),
    ),
    chosen: vectorFromArray(turns, new List(new Field('item', message)) as DataType),
    rejected: vectorFromArray(turns, new List(new Field('item', message)) as DataType),
  });
  return new Table([0, 1].flatMap(() => once.batches));
}

/** A frame that unpacks to very much, where something else was. */
const plantZstd: Mutation = (input, random) => {
  const bomb = zstdBomb([1 << 20, 1 << 26, 1 << 28][random.below(3)]!);
  const at = 8 * random.below(input.length >> 3);
  return Buffer.concat([
    input.subarray(0, at),
    bomb,
    input.subarray(Math.min(input.length, at + bomb.length)),
  ]);
};

async function prepareArrow(folder: string): Promise<PreparedTarget> {
  const path = join(folder, 'rows.arrow');
  const table = arrowTable();
  const dictionaries = new Table({
    prompt: vectorFromArray(TEXT_ROWS.map((row) => row.prompt)),
    chosen: vectorFromArray(TEXT_ROWS.map((row) => row.chosen)),
    rejected: vectorFromArray(TEXT_ROWS.map((row) => row.rejected)),
  });
  return {
    seeds: [
      Buffer.from(tableToIPC(table, 'file')),
      Buffer.from(tableToIPC(table, 'stream')),
      Buffer.from(tableToIPC(dictionaries, 'file')),
      Buffer.from(await RecordBatchStreamWriter.writeAll(dictionaries.batches).toUint8Array()),
      Buffer.from(await packedStream(repeated)),
    ],
    async check(input) {
      await writeFile(path, input);
      const kind = input.subarray(0, 6).toString('latin1') === 'ARROW1' ? 'arrow-file' : 'arrow-stream';
      return wrongIn(decodeArrow(path, kind, LAYOUT_FIELDS), undefined);
    },
    codeOf: decoderError,
  };
}

export const arrowTarget: FuzzTarget = {
  ...{ name: 'arrow', what: 'preference files in Arrow', memoryMiB: 1024, prepare: prepareArrow },
  mutations: [...Array(4).fill(overwriteAlignedInteger), plantZstd, changeBytes],
};
