/**
 * The metadata of an Arrow IPC file: its footer, and what precedes the body of a record batch. Whatever is returned lies
 * inside the bytes it points into. Source: https://arrow.apache.org/docs/format/Columnar.html, Schema.fbs, Message.fbs,
 * File.fbs.
 */
import { BrokenFlatBuffer, FlatTable } from './flat-buffer.js';

export const ARROW_MAGIC = 'ARROW1';
/** The length of the footer and the magic after it. */
export const ARROW_TRAILER_BYTES = 4 + ARROW_MAGIC.length;

/** More than any cache has of columns, of their nodes and buffers, and of bytes in a name. */
const MOST = 256;

export interface ArrowColumn {
  name: string;
  /** As the Arrow library writes it: `Int32`, `List<Float32>`, … */
  type: string;
}

/** Where a record batch is in its file: its metadata, then its body. */
export interface ArrowBlock {
  offset: number;
  metadataBytes: number;
  bodyBytes: number;
}

/** @throws BrokenFlatBuffer, RangeError for bytes that are no footer of an uncompressed little-endian file. */
export function readFooter(bytes: DataView): { columns: ArrowColumn[]; blocks: ArrowBlock[] } {
  const footer = FlatTable.root(bytes);
  const schema = footer.table(1);
  if (schema === undefined) throw new BrokenFlatBuffer('a footer without a schema');
  if (schema.int16(0) !== 0) throw new BrokenFlatBuffer('big-endian values');
  const columns = schema.tables(1, MOST).map((field) => ({ name: field.text(0, MOST), type: typeOf(field) }));
  const structs = footer.structs(3, 24);
  const blocks = Array.from({ length: structs.length }, (_, i) => ({
    offset: structs.int64(i, 0),
    metadataBytes: structs.int32(i, 8),
    bodyBytes: structs.int64(i, 16),
  }));
  return { columns, blocks };
}

/** Names of the types that a cache has, and those one may take for them; lists of lists are not among them. */
function typeOf(field: FlatTable, inList = false): string {
  if (field.has(4)) return 'a dictionary';
  const [kind, type] = [field.uint8(2), field.table(3)];
  if (kind === 2) return `${type?.uint8(1) === 1 ? 'Int' : 'Uint'}${type?.int32(0)}`;
  if (kind === 3) return `Float${16 << (type?.int16(0) ?? 0)}`;
  if (kind === 5) return 'Utf8';
  if (kind !== 12 || inList) return `type ${kind}`;
  const children = field.tables(5, MOST);
  return `List<${children.length === 1 ? typeOf(children[0]!, true) : `${children.length} fields`}>`;
}

export interface RecordBatchLayout {
  rows: number;
  /** Values and nulls of every column and list, in depth-first order. */
  nodes: { length: number; nulls: number }[];
  /** Bytes of the body, in the same order: of each column its validity, offsets, values, as its type has them. */
  buffers: { offset: number; bytes: number }[];
}

const RECORD_BATCH = 3;
const CONTINUATION = 0xffffffff;
/** The marker and the length before a message. */
const PREFIX_BYTES = 8;

/**
 * @param bytes the metadata of a block.
 * @param bodyBytes of the block; every buffer lies inside it.
 * @throws BrokenFlatBuffer, RangeError for bytes that are no uncompressed record batch.
 */
export function readRecordBatchLayout(bytes: DataView, bodyBytes: number): RecordBatchLayout {
  if (bytes.getUint32(0, true) !== CONTINUATION) throw new BrokenFlatBuffer('no message where one begins');
  const length = bytes.getUint32(4, true);
  const message = FlatTable.root(new DataView(bytes.buffer, bytes.byteOffset + PREFIX_BYTES, length));
  if (PREFIX_BYTES + length > bytes.byteLength) throw new BrokenFlatBuffer(`a message of ${length} bytes`);
  const batch = message.table(2);
  if (message.uint8(1) !== RECORD_BATCH || batch === undefined) {
    throw new BrokenFlatBuffer(`a message of kind ${message.uint8(1)}`);
  }
  if (batch.has(3)) throw new BrokenFlatBuffer('a compressed record batch');
  const nodes = batch.structs(1, 16, MOST);
  const buffers = batch.structs(2, 16, MOST);
  return {
    rows: batch.int64(0),
    nodes: Array.from({ length: nodes.length }, (_, i) => ({
      length: nodes.int64(i, 0),
      nulls: nodes.int64(i, 8),
    })),
    buffers: Array.from({ length: buffers.length }, (_, i) => {
      const found = { offset: buffers.int64(i, 0), bytes: buffers.int64(i, 8) };
      if (found.offset < 0 || found.bytes < 0 || found.offset + found.bytes > bodyBytes) {
        throw new BrokenFlatBuffer(`${found.bytes} bytes at ${found.offset} of a body of ${bodyBytes}`);
      }
      return found;
    }),
  };
}
