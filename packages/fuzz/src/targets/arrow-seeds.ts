/** Arrow streams whose buffers are packed by Zstandard. */
import {
  CompressionType,
  RecordBatchStreamWriter,
  Table,
  Utf8,
  compressionRegistry,
  vectorFromArray,
} from 'apache-arrow';
import { TEXT_ROWS, type TextRow } from './parquet-seeds.js';

/** Texts of one letter, so long that few bytes stand for them. */
export const LONG_ROWS: readonly TextRow[] = TEXT_ROWS.map((_, i) => {
  const text = (letter: string): string => letter.repeat(10_000 + i);
  return { prompt: text('p'), chosen: text('c'), rejected: text('r') };
});
const longColumn = (name: keyof TextRow) =>
  vectorFromArray(
    LONG_ROWS.map((row) => row[name]),
    new Utf8(),
  );
const longTable = new Table({
  ...{ prompt: longColumn('prompt'), chosen: longColumn('chosen'), rejected: longColumn('rejected') },
});

/** A stream of those rows whose texts are packed by `encode`; the writer leaves alone what does not get smaller. */
export function packedStream(encode: (bytes: Uint8Array) => Uint8Array): Promise<Uint8Array> {
  // The library tries a codec before it takes it.
  let pack = stored;
  compressionRegistry.set(CompressionType.ZSTD, {
    encode: (bytes: Uint8Array) => pack(bytes),
    decode: (bytes: Uint8Array) => bytes.subarray(STORED_HEAD),
  });
  pack = encode;
  const writer = new RecordBatchStreamWriter({ compressionType: CompressionType.ZSTD });
  writer.writeAll(longTable.batches).finish();
  return writer.toUint8Array();
}

const STORED_HEAD = 12;

/** A Zstandard frame of one stored block (RFC 8878, 3.1.1). */
function stored(bytes: Uint8Array): Uint8Array {
  const head = Buffer.alloc(STORED_HEAD);
  head.writeUInt32LE(0xfd2fb528, 0);
  head.writeUInt8(0b1010_0000, 4);
  head.writeUInt32LE(bytes.length, 5);
  head.writeUIntLE((bytes.length << 3) | 1, 9, 3);
  return Buffer.concat([head, bytes]);
}

/** A Zstandard frame of a repeated byte (RFC 8878, 3.1.1.2.2); other bytes as they are. */
export function repeated(bytes: Uint8Array): Uint8Array {
  if (bytes.some((byte) => byte !== bytes[0])) return bytes;
  const head = Buffer.from('28b52ffd0038', 'hex');
  const blocks: Buffer[] = [];
  for (let left = bytes.length; left > 0; left -= 1 << 17) {
    const block = Buffer.alloc(4, bytes[0]);
    block.writeUIntLE((Math.min(left, 1 << 17) << 3) | 2 | (left <= 1 << 17 ? 1 : 0), 0, 3);
    blocks.push(block);
  }
  return Buffer.concat([head, ...blocks]);
}
