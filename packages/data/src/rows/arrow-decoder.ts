/**
 * Decodes a foreign Arrow IPC file or stream (the cache files of Hugging Face `datasets` are streams) record
 * batch by record batch. Runs in a worker thread. ZSTD bodies are unpacked; LZ4 ones are refused by name.
 */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import {
  compressionRegistry,
  CompressionType,
  MapRow,
  RecordBatchReader,
  StructRow,
  Vector,
} from 'apache-arrow';
import type { Data, RecordBatch } from 'apache-arrow';
import { decompressZstd } from 'hyparquet-compressors';
import { maxRows, ROWS_PER_ANSWER, type ColumnarAnswer } from './columnar-protocol.js';

const MAX_DEPTH = 64;

/** The answers for one file, in order. Throws a plain Error saying what is wrong with the file. */
export async function* decodeArrow(
  file: string,
  kind: 'arrow-file' | 'arrow-stream',
  wanted: readonly string[],
): AsyncGenerator<ColumnarAnswer> {
  compressionRegistry.set(CompressionType.ZSTD, { decode: (data) => decompressZstd(data) });
  const handle = kind === 'arrow-file' ? await open(file, 'r') : undefined;
  const stream = handle === undefined ? createReadStream(file) : undefined;
  try {
    const reader = await (handle === undefined
      ? RecordBatchReader.from(stream!)
      : RecordBatchReader.from(handle));
    await reader.open();
    const fields = reader.schema.fields.map((field) => field.name);
    yield { type: 'schema', fields };
    const columns = wanted.filter((name) => fields.includes(name));
    const { size } = await stat(file);
    let rows = 0;
    for await (const batch of reader) {
      rows += batch.numRows;
      if (rows > maxRows(size)) throw new Error(`${rows} rows in a file of ${size} bytes`);
      yield* decodeBatch(batch, columns);
    }
    yield { type: 'end' };
  } finally {
    stream?.destroy();
    await handle?.close().catch(() => undefined);
  }
}

function* decodeBatch(batch: RecordBatch, columns: string[]): Generator<ColumnarAnswer> {
  const vectors = columns.map((name) => batch.getChild(name));
  for (const vector of vectors) {
    for (const data of vector?.data ?? []) {
      if (data.length !== batch.numRows)
        throw new Error(`a column of ${data.length} in a batch of ${batch.numRows} rows`);
      checkOffsets(data, 0);
    }
  }
  for (let start = 0; start < batch.numRows; start += ROWS_PER_ANSWER) {
    const end = Math.min(start + ROWS_PER_ANSWER, batch.numRows);
    const rows = Array.from({ length: end - start }, (_, i) =>
      vectors.map((vector): unknown => plainValue(vector?.get(start + i) as unknown, 0)),
    );
    yield { type: 'rows', columns, rows };
  }
}

/** Offsets of texts and lists must rise and stay inside what they point into. */
function checkOffsets(data: Data, depth: number): void {
  if (depth > MAX_DEPTH) throw new Error('a column is nested too deeply');
  const offsets = data.valueOffsets as ArrayLike<number | bigint> | undefined;
  if (offsets !== undefined && offsets.length > 0) {
    const held = data.children.length > 0 ? (data.children[0]?.length ?? 0) : data.values.length;
    if (offsets.length <= data.length) throw new Error(`${offsets.length} offsets for ${data.length} values`);
    for (let i = 0; i <= data.length; i++) {
      const [before, offset] = [Number(offsets[Math.max(i - 1, 0)]), Number(offsets[i])];
      if (offset < before || offset > held) throw new Error('the offsets of a column are damaged');
    }
  } else if (offsets !== undefined && data.length > 0) {
    throw new Error(`no offsets for ${data.length} values`);
  }
  for (const child of data.children) checkOffsets(child as Data, depth + 1);
}

/** Arrow's views as plain arrays and objects, which can be sent to another thread. */
function plainValue(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new Error('a value is nested too deeply');
  if (value instanceof Vector) {
    return Array.from(value as Iterable<unknown>, (item) => plainValue(item, depth + 1));
  }
  if (value instanceof StructRow || value instanceof MapRow) {
    return Object.fromEntries(
      Array.from(value as Iterable<[unknown, unknown]>, ([key, item]) => [
        String(key),
        plainValue(item, depth + 1),
      ]),
    );
  }
  return value;
}
