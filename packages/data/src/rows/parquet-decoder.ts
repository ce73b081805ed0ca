/**
 * Decodes a foreign Parquet file row group by row group. Runs in a worker thread, because hyparquet can loop for
 * ever on damaged bytes. What can be checked beforehand (footer, column ranges, sizes) is.
 */
import { open, type FileHandle } from 'node:fs/promises';
import {
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type AsyncBuffer,
  type FileMetaData,
  type SchemaTree,
} from 'hyparquet';
import { maxRows, type ColumnarAnswer } from './columnar-protocol.js';
import { ParquetGuard } from './parquet-guard.js';
import { rowAnswers } from './row-answers.js';

/** Largest row group, in unpacked bytes of the columns read. Writers default to 128 MiB to 1 GiB. */
export const MAX_ROW_GROUP_BYTES = 4 * 1024 ** 3;

const MAX_FOOTER_BYTES = 256 * 1024 ** 2;
const TAIL_BYTES = 8;

/** The answers for one file, in order. Throws a plain Error saying what is wrong with the file. */
export async function* decodeParquet(
  file: string,
  wanted: readonly string[],
  longest = Infinity,
): AsyncGenerator<ColumnarAnswer> {
  const handle = await open(file, 'r');
  try {
    const source = await fileBuffer(handle);
    await checkFooter(source);
    const metadata = await parquetMetadataAsync(source, { geoparquet: false });
    const fields = topLevelFields(metadata);
    checkColumns(metadata, fields);
    yield { type: 'schema', fields };
    const columns = wanted.filter((name) => fields.includes(name));
    checkRowGroups(metadata, columns, source.byteLength);
    const guard = new ParquetGuard(source, metadata);
    let rowStart = 0;
    for (const [rowGroup, group] of metadata.row_groups.entries()) {
      const count = Number(group.num_rows);
      const rows = await decodeRowGroup(source, guard, columns, rowStart, count, rowGroup);
      rowStart += count;
      yield* rowAnswers(columns, rows, longest);
    }
    yield { type: 'end' };
  } finally {
    await handle.close();
  }
}

async function decodeRowGroup(
  file: AsyncBuffer,
  guard: ParquetGuard,
  columns: string[],
  rowStart: number,
  count: number,
  rowGroup: number,
): Promise<unknown[][]> {
  try {
    const rowEnd = rowStart + count;
    const { metadata, compressors, finish } = await guard.group(rowGroup, columns);
    const objects = await parquetReadObjects({ file, metadata, columns, rowStart, rowEnd, compressors });
    finish();
    if (objects.length !== count) throw new Error(`${objects.length} of ${count} rows`);
    return objects.map((object) =>
      columns.map((name) => (Object.hasOwn(object, name) ? (object[name] as unknown) : undefined)),
    );
  } catch (error) {
    throw new Error(`row group ${rowGroup}: ${(error as Error).message}`, { cause: error });
  }
}

async function fileBuffer(handle: FileHandle): Promise<AsyncBuffer> {
  const { size } = await handle.stat();
  return {
    byteLength: size,
    async slice(start, end = size) {
      if (start < 0 || end > size || end < start) {
        throw new Error(`bytes ${start} to ${end} lie outside the file of ${size} bytes`);
      }
      const bytes = new Uint8Array(end - start);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
      if (bytesRead !== bytes.length) throw new Error(`the file ended after ${start + bytesRead} bytes`);
      return bytes.buffer;
    },
  };
}

/** Format: "PAR1" … footer, its length as uint32, "PAR1" (parquet-format, "File Format"). */
async function checkFooter(file: AsyncBuffer): Promise<void> {
  if (file.byteLength < TAIL_BYTES + 4) throw new Error(`${file.byteLength} bytes are too few`);
  const tail = Buffer.from(await file.slice(file.byteLength - TAIL_BYTES, file.byteLength));
  if (tail.toString('latin1', 4) !== 'PAR1') {
    throw new Error('no PAR1 at the end: the file is cut off, or its footer is encrypted');
  }
  const length = tail.readUInt32LE(0);
  if (length > Math.min(file.byteLength - TAIL_BYTES - 4, MAX_FOOTER_BYTES)) {
    throw new Error(`a footer of ${length} bytes in a file of ${file.byteLength}`);
  }
}

function topLevelFields({ schema }: FileMetaData): string[] {
  const names: string[] = [];
  let index = 1;
  const skip = (): void => {
    const children = schema[index]?.num_children ?? 0;
    index++;
    for (let i = 0; i < children && index < schema.length; i++) skip();
  };
  while (index < schema.length) {
    names.push(schema[index]!.name);
    skip();
  }
  return names;
}

/** Names are texts, and a row group has one chunk for every leaf of the schema, in its order. */
function checkColumns(metadata: FileMetaData, fields: readonly unknown[]): void {
  if (!fields.every((name) => typeof name === 'string')) throw new Error('a column without a name');
  const leaves = leavesOf(parquetSchema(metadata)).join('\n');
  for (const [i, { columns }] of metadata.row_groups.entries()) {
    const paths = columns.map(({ meta_data: column }) => JSON.stringify(column?.path_in_schema)).join('\n');
    if (paths !== leaves) throw new Error(`row group ${i} has other columns than the schema`);
  }
}

function leavesOf({ children, path }: SchemaTree): string[] {
  return children.length === 0 ? [JSON.stringify(path)] : children.flatMap(leavesOf);
}

function checkRowGroups(metadata: FileMetaData, columns: readonly string[], fileBytes: number): void {
  let total = 0;
  for (const [i, group] of metadata.row_groups.entries()) {
    const rows = Number(group.num_rows);
    if (!Number.isSafeInteger(rows) || rows < 0) throw new Error(`row group ${i} claims ${rows} rows`);
    total += rows;
    if (total > maxRows(fileBytes)) throw new Error(`${total} rows in a file of ${fileBytes} bytes`);
    let unpacked = 0;
    for (const { meta_data: column } of group.columns) {
      if (column === undefined || !columns.includes(column.path_in_schema[0] ?? '')) continue;
      const end = Number(column.data_page_offset) + Number(column.total_compressed_size);
      if (Number(column.data_page_offset) < 4 && rows > 0) throw new Error(`row group ${i} begins nowhere`);
      const slack =
        Number(column.data_page_offset) - Number(column.dictionary_page_offset ?? column.data_page_offset);
      if (end - Math.max(slack, 0) > fileBytes)
        throw new Error(`row group ${i} reaches past the end of the file`);
      unpacked += Number(column.total_uncompressed_size);
    }
    if (unpacked > MAX_ROW_GROUP_BYTES) {
      throw new Error(`row group ${i} unpacks to ${unpacked} bytes, more than ${MAX_ROW_GROUP_BYTES}`);
    }
  }
  if (total !== Number(metadata.num_rows)) {
    throw new Error(`row groups of ${total} rows in a file of ${metadata.num_rows}`);
  }
}
