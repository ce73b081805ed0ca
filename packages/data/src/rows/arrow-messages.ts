/**
 * The messages of a foreign Arrow file or stream, looked at before the Arrow library is given them: it takes every count and
 * offset as it stands, and makes as many things. Bodies are not read.
 * Source: https://arrow.apache.org/docs/format/Columnar.html, Schema.fbs, Message.fbs, File.fbs.
 */
import type { FileHandle } from 'node:fs/promises';
import { FlatTable } from '../cache/flat-buffer.js';
import { maxRows } from './columnar-protocol.js';

const MAGIC = 'ARROW1';
/** The magic and two bytes that fill it up. */
const HEAD_BYTES = 8;
/** The footer's length and the magic. */
const TRAILER_BYTES = 4 + MAGIC.length;
const CONTINUATION = 0xffffffff;
/** Columns, also inside others; texts in a schema, in bytes; and entries of its metadata. */
const [MOST_FIELDS, MOST_TEXT, MOST_ENTRIES] = [10_000, 64 << 20, 100_000];
const MOST_LEVELS = 64;
/** Bytes of one message without its body. */
const MOST_METADATA = 256 << 20;
const [SCHEMA, DICTIONARY_BATCH, RECORD_BATCH] = [1, 2, 3];
/** Number of `Union` among the types; only it and lists of fixed size state counts of their own. */
const UNION = 14;

/** @throws Error saying what is wrong. */
export async function checkArrowMessages(
  handle: FileHandle,
  kind: 'arrow-file' | 'arrow-stream',
  size: number,
): Promise<void> {
  const file = new MessageCheck(handle, size);
  if (kind === 'arrow-file') await file.checkBlocks();
  else await file.checkStream();
}

class MessageCheck {
  private fields = 0;

  constructor(
    private readonly handle: FileHandle,
    private readonly size: number,
  ) {}

  /** What the footer of a file points to. */
  async checkBlocks(): Promise<void> {
    const trailer = await this.read(this.size - TRAILER_BYTES, TRAILER_BYTES);
    const length = trailer.getUint32(0, true);
    if (Buffer.from(trailer.buffer, 4).toString('latin1') !== MAGIC)
      throw new Error('no end of an Arrow file');
    const footer = FlatTable.root(await this.read(this.size - TRAILER_BYTES - length, length));
    this.checkSchema(footer.table(1));
    for (const slot of [2, 3]) {
      const blocks = footer.structs(slot, 24);
      for (let i = 0; i < blocks.length; i++) {
        const [offset, metadataBytes, bodyBytes] = [
          blocks.int64(i, 0),
          blocks.int32(i, 8),
          blocks.int64(i, 16),
        ];
        if (offset < HEAD_BYTES || metadataBytes < 0 || bodyBytes < 0)
          throw new Error('a block that lies nowhere');
        if (offset + metadataBytes + bodyBytes > this.size)
          throw new Error('a block beyond the end of the file');
        await this.checkMessageAt(offset);
      }
    }
    // The reader looks at the schema that the file begins with, too.
    await this.checkMessageAt(HEAD_BYTES);
  }

  /** One message behind the other. */
  async checkStream(): Promise<void> {
    for (let at = 0; at < this.size;) {
      const next = await this.checkMessageAt(at);
      if (next === undefined) return;
      at = next;
    }
  }

  /** @returns where the next one begins; undefined behind the last. */
  private async checkMessageAt(at: number): Promise<number | undefined> {
    if (at + 4 > this.size) return undefined;
    const first = (await this.read(at, 4)).getUint32(0, true);
    const begin = at + (first === CONTINUATION ? 8 : 4);
    if (first === CONTINUATION && begin > this.size) return undefined;
    const length = first === CONTINUATION ? (await this.read(at + 4, 4)).getUint32(0, true) : first;
    if (length === 0) return undefined;
    const message = FlatTable.root(await this.read(begin, length));
    const bodyBytes = message.int64(3);
    const body = begin + length;
    if (bodyBytes < 0 || body + bodyBytes > this.size)
      throw new Error(`a body of ${bodyBytes} bytes at ${body}`);
    const [kind, header] = [message.uint8(1), message.table(2)];
    if (header === undefined) throw new Error(`a message of kind ${kind} without content`);
    this.checkEntries(message, 4);
    if (kind === SCHEMA) this.checkSchema(header);
    else if (kind === RECORD_BATCH) this.checkBatch(header, bodyBytes);
    else if (kind === DICTIONARY_BATCH) this.checkBatch(header.table(1), bodyBytes);
    else throw new Error(`a message of kind ${kind}`);
    return body + bodyBytes;
  }

  private checkSchema(schema: FlatTable | undefined): void {
    if (schema === undefined) throw new Error('no schema');
    this.fields = 0;
    for (const field of schema.tables(1, MOST_FIELDS)) this.checkField(field, 0);
    this.checkEntries(schema, 2);
    schema.structs(3, 8, MOST_ENTRIES);
  }

  private checkField(field: FlatTable, level: number): void {
    if (level > MOST_LEVELS) throw new Error('a column nested too deeply');
    if (++this.fields > MOST_FIELDS) throw new Error(`more than ${MOST_FIELDS} columns`);
    // A name is a text of its own length: that of none is the empty one.
    field.text(0, MOST_TEXT);
    if (field.uint8(2) === UNION) field.table(3)?.structs(1, 4, MOST_ENTRIES);
    this.checkEntries(field, 6);
    for (const child of field.tables(5, MOST_FIELDS)) this.checkField(child, level + 1);
  }

  private checkEntries(table: FlatTable, slot: number): void {
    for (const entry of table.tables(slot, MOST_ENTRIES))
      for (const one of [0, 1]) entry.text(one, MOST_TEXT);
  }

  private checkBatch(batch: FlatTable | undefined, bodyBytes: number): void {
    if (batch === undefined) throw new Error('a batch without content');
    const most = maxRows(this.size);
    const rows = batch.int64(0);
    if (rows < 0 || rows > most) throw new Error(`${rows} rows in a file of ${this.size} bytes`);
    const nodes = batch.structs(1, 16, MOST_FIELDS);
    for (let i = 0; i < nodes.length; i++) {
      const [length, nulls] = [nodes.int64(i, 0), nodes.int64(i, 8)];
      if (length < 0 || length > most || nulls < 0 || nulls > length) {
        throw new Error(`a column of ${length} values, ${nulls} of them missing`);
      }
    }
    const buffers = batch.structs(2, 16, 4 * MOST_FIELDS);
    for (let i = 0; i < buffers.length; i++) {
      const [offset, length] = [buffers.int64(i, 0), buffers.int64(i, 8)];
      if (offset < 0 || length < 0 || offset + length > bodyBytes) {
        throw new Error(`${length} bytes at ${offset} of a body of ${bodyBytes}`);
      }
    }
    batch.structs(4, 8, MOST_FIELDS);
  }

  private async read(begin: number, length: number): Promise<DataView> {
    if (begin < 0 || begin + length > this.size)
      throw new Error(`${length} bytes at ${begin} of ${this.size}`);
    if (length > MOST_METADATA) throw new Error(`a message of ${length} bytes`);
    const bytes = new Uint8Array(length);
    const { bytesRead } = await this.handle.read(bytes, 0, length, begin);
    if (bytesRead !== length) throw new Error(`an end at byte ${begin + bytesRead}`);
    return new DataView(bytes.buffer);
  }
}
