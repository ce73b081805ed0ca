/** Writes Parquet files in every codec: parquetjs-lite, with the codecs it lacks added here. */
import { createRequire } from 'node:module';
import { brotliCompressSync } from 'node:zlib';

interface Writer {
  setRowGroupSize(rows: number): void;
  appendRow(row: object): Promise<void>;
  close(): Promise<void>;
}
interface ParquetJs {
  ParquetSchema: new (fields: object) => object;
  ParquetWriter: { openFile(schema: object, path: string): Promise<Writer> };
}

const load = createRequire(import.meta.url);
const parquet = load('parquetjs-lite') as ParquetJs;
const compression = load('parquetjs-lite/lib/compression') as {
  PARQUET_COMPRESSION_METHODS: Record<string, { deflate: (bytes: Buffer) => Buffer }>;
};
const thrift = load('parquetjs-lite/gen-nodejs/parquet_types') as {
  CompressionCodec: Record<string, number>;
};

compression.PARQUET_COMPRESSION_METHODS['BROTLI']!.deflate = (bytes) => brotliCompressSync(bytes);
compression.PARQUET_COMPRESSION_METHODS['ZSTD'] = { deflate: zstdStored };
compression.PARQUET_COMPRESSION_METHODS['LZ4_RAW'] = { deflate: lz4Stored };
thrift.CompressionCodec['LZ4_RAW'] = 7;

export const CODECS = ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI', 'ZSTD', 'LZ4_RAW'];

/** A Zstandard frame of one stored block (RFC 8878, 3.1.1): at most 128 KiB. */
function zstdStored(bytes: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(0xfd2fb528, 0);
  head.writeUInt8(0b1010_0000, 4); // single segment, 4-byte content size
  head.writeUInt32LE(bytes.length, 5);
  head.writeUIntLE((bytes.length << 3) | 1, 9, 3);
  return Buffer.concat([head, bytes]);
}

/** An LZ4 block of literals only. */
function lz4Stored(bytes: Buffer): Buffer {
  if (bytes.length < 15) return Buffer.concat([Buffer.from([bytes.length << 4]), bytes]);
  const more: number[] = [];
  let left = bytes.length - 15;
  for (; left >= 255; left -= 255) more.push(255);
  return Buffer.concat([Buffer.from([0xf0, ...more, left]), bytes]);
}

export async function writeParquet(
  path: string,
  fields: object,
  rows: object[],
  rowGroupSize = 1000,
): Promise<void> {
  const writer = await parquet.ParquetWriter.openFile(new parquet.ParquetSchema(fields), path);
  writer.setRowGroupSize(rowGroupSize);
  for (const row of rows) await writer.appendRow(row);
  await writer.close();
}

/** The columns of a conversational preference dataset, as lists of structs in Parquet's three-level form. */
export function conversationFields(codec: string): object {
  const text = { type: 'UTF8', compression: codec };
  const messages = {
    type: 'LIST',
    fields: {
      list: { repeated: true, fields: { element: { fields: { role: text, content: text } } } },
    },
  };
  return { prompt: text, chosen: messages, rejected: messages, score: { type: 'DOUBLE' } };
}

/** Messages in the form {@link conversationFields} takes. */
export function messageList(...messages: { role: string; content: string }[]): object {
  return { list: messages.map((element) => ({ element })) };
}
