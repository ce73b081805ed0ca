/**
 * Decodes a foreign Arrow IPC file or stream (the cache files of Hugging Face `datasets` are streams) record
 * batch by record batch. Runs in a worker thread. ZSTD bodies are unpacked; LZ4 ones are refused by name.
 */
import { open, type FileHandle } from 'node:fs/promises';
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
import { checkArrowMessages } from './arrow-messages.js';
import { maxRows, type ColumnarAnswer } from './columnar-protocol.js';
import { rowAnswers } from './row-answers.js';
import { maxUnpackedBytes, UnpackingBudget, zstdBound } from './unpacking.js';

const MAX_DEPTH = 64;
const PIECE_BYTES = 1 << 18;

/** The answers for one file, in order. Throws a plain Error saying what is wrong with the file. */
export async function* decodeArrow(
  file: string,
  kind: 'arrow-file' | 'arrow-stream',
  wanted: readonly string[],
  longest = Infinity,
): AsyncGenerator<ColumnarAnswer> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    await checkArrowMessages(handle, kind, size);
    const budget = new UnpackingBudget(maxUnpackedBytes(size));
    compressionRegistry.set(CompressionType.ZSTD, {
      decode(packed) {
        budget.take(zstdBound(packed));
        const bytes = decompressZstd(packed);
        // Numbers of eight bytes can be looked at only where they begin at a multiple of eight.
        return bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
      },
    });
    const reader = await (kind === 'arrow-file'
      ? RecordBatchReader.from(handle)
      : RecordBatchReader.from(piecesOf(handle)));
    await reader.open();
    const fields = reader.schema.fields.map(({ name }) => (name as string | null) ?? '');
    yield { type: 'schema', fields };
    const columns = wanted.filter((name) => fields.includes(name));
    let rows = 0;
    for await (const batch of reader) {
      rows += batch.numRows;
      if (rows > maxRows(size)) throw new Error(`${rows} rows in a file of ${size} bytes`);
      yield* decodeBatch(batch, columns, longest);
      budget.renew();
    }
    yield { type: 'end' };
  } finally {
    await handle.close().catch(() => undefined);
  }
}

/** The bytes of a file, a piece at a time. */
async function* piecesOf(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ;) {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(PIECE_BYTES), 0, PIECE_BYTES, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

function* decodeBatch(batch: RecordBatch, columns: string[], longest: number): Generator<ColumnarAnswer> {
  const vectors = columns.map((name) => batch.getChild(name));
  for (const vector of vectors) {
    for (const data of vector?.data ?? []) {
      if (data.length !== batch.numRows)
        throw new Error(`a column of ${data.length} in a batch of ${batch.numRows} rows`);
      checkOffsets(data, 0);
    }
  }
  yield* rowAnswers(columns, plainRows(vectors, batch.numRows), longest);
}

function* plainRows(vectors: readonly (Vector | null)[], count: number): Generator<unknown[]> {
  for (let row = 0; row < count; row++) {
    yield vectors.map((vector): unknown => plainValue(vector?.get(row) as unknown, 0));
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
      if (offset < 0 || offset < before || offset > held)
        throw new Error('the offsets of a column are damaged');
    }
  } else if (offsets !== undefined && data.length > 0) {
    throw new Error(`no offsets for ${data.length} values`);
  }
  for (const child of data.children) checkOffsets(child as Data, depth + 1);
  for (const part of data.dictionary?.data ?? []) checkOffsets(part as Data, depth + 1);
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
