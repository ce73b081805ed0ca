/**
 * Reads an Arrow shard in place, one record batch at a time. Its digest must have been checked before. A digest proves
 * which file it is, not that its writer was sound: every length and offset in it is checked against the bytes that are
 * there, so that reading ends whatever they are.
 */
import type { FileHandle } from 'node:fs/promises';
import { InputError, explainSystemError } from '@selective-dpo/foundation';
import { MAX_BATCH_BYTES, arrowSchema } from './arrow-encode.js';
import {
  ARROW_MAGIC,
  ARROW_TRAILER_BYTES,
  readFooter,
  type ArrowBlock,
  type ArrowColumn,
} from './arrow-metadata.js';
import type { CacheRow } from './cache-row.js';
import { damagedCache } from './manifest.js';
import type { ReadMemory } from './read-memory.js';
import { RecordBatch } from './record-batch.js';

/** What the manifest says of a shard's layout. */
export interface ShardLayout {
  rows: number;
  /** Rows in a record batch; the last of a shard may have fewer. */
  recordBatchRows: number;
  /** Likeliest tokens that the cache holds in the place of each. */
  topLogprobs?: number | undefined;
}

/** Of a footer: what it takes for each record batch, and for everything else at most. */
const [FOOTER_BLOCK_BYTES, FOOTER_OTHER_BYTES] = [24, 1 << 20];
/** Read at the end of a file in one go: most footers are in it. */
const TAIL_BYTES = 4096;

export class ArrowShard {
  private readonly reading = new Set<Promise<unknown>>();

  private constructor(
    private readonly handle: FileHandle,
    /** Where its record batches are. */
    readonly blocks: readonly ArrowBlock[],
    private readonly path: string,
    private readonly layout: ShardLayout,
  ) {}

  /**
   * Takes over the handle, and closes it when it throws.
   * @param size of the file, in bytes.
   * @throws InputError `cache-without-token-logps`; `cache-damaged` for other columns or another number of batches.
   */
  static async open(
    handle: FileHandle,
    size: number,
    path: string,
    layout: ShardLayout,
  ): Promise<ArrowShard> {
    try {
      const batches = Math.ceil(layout.rows / layout.recordBatchRows);
      const { columns, blocks } = await decoding(path, async () => {
        const { bytes, begin } = await footerOf(handle, size, batches);
        const footer = readFooter(bytes);
        refuseOtherPlaces(footer.blocks, begin);
        return footer;
      });
      refuseOtherColumns(columns, path, layout.topLogprobs !== undefined);
      if (blocks.length !== batches) {
        throw damagedCache(path, `${blocks.length} record batches`, String(batches));
      }
      return new ArrowShard(handle, blocks, path, layout);
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
  }

  /**
   * Opens the very file again whose `blocks` an earlier shard had: neither its footer nor its columns are looked at.
   * @param handle is taken over.
   */
  static again(
    handle: FileHandle,
    path: string,
    layout: ShardLayout,
    blocks: readonly ArrowBlock[],
  ): ArrowShard {
    return new ArrowShard(handle, blocks, path, layout);
  }

  /** How many record batches from number `first` on lie within `bytes` of the file, the shard's last at most; at least 1. */
  batchesWithin(first: number, bytes: number): number {
    const end = this.blocks[first]!.offset + bytes;
    let next = first + 1;
    while (next < this.blocks.length && endOf(this.blocks[next]!) <= end) next++;
    return next - first;
  }

  /**
   * Reads `count` record batches from number `first` on, of which the shard has as many, at one time: they share their memory.
   * @throws InputError `cache-damaged`.
   */
  recordBatches(first: number, count: number): Promise<RecordBatch[]> {
    return this.registered(async () => {
      const blocks = this.blocks.slice(first, first + count);
      const [{ offset: begin }, last] = [blocks[0]!, blocks.at(-1)!];
      const bytes = newBytes(endOf(last) - begin);
      await readInto(bytes, this.handle, begin);
      return blocks.map((block, i) =>
        this.recordBatch(first + i, bytes.subarray(block.offset - begin, endOf(block) - begin)),
      );
    });
  }

  /**
   * Reads one row, of record batch `index` the one at `place`; its lists are copies.
   * @param memory for the record batch.
   * @throws InputError `cache-damaged`, `cache-row-invalid`.
   */
  row(index: number, place: number, memory: ReadMemory): Promise<CacheRow> {
    return this.registered(async () => {
      const block = this.blocks[index]!;
      const bytes = await memory.take(endOf(block) - block.offset);
      try {
        await readInto(bytes, this.handle, block.offset);
        return copyOf(this.recordBatch(index, bytes).row(place));
      } finally {
        memory.giveBack(bytes);
      }
    });
  }

  /** Waits for what is being read. */
  async close(): Promise<void> {
    await Promise.allSettled(this.reading);
    await this.handle.close().catch(() => undefined);
  }

  private recordBatch(index: number, bytes: Uint8Array<ArrayBuffer>): RecordBatch {
    const { rows, recordBatchRows, topLogprobs } = this.layout;
    const expected = Math.min(recordBatchRows, rows - index * recordBatchRows);
    return new RecordBatch(bytes, this.blocks[index]!, expected, this.path, topLogprobs);
  }

  private registered<T>(work: () => Promise<T>): Promise<T> {
    const read = decoding(this.path, work);
    this.reading.add(read);
    const done = () => this.reading.delete(read);
    read.then(done, done);
    return read;
  }
}

/** The footer, and the byte it begins at. */
async function footerOf(
  handle: FileHandle,
  size: number,
  batches: number,
): Promise<{ bytes: DataView; begin: number }> {
  const tail = await readInto(newBytes(Math.min(size, TAIL_BYTES)), handle, Math.max(0, size - TAIL_BYTES));
  const trailer = tail.length - ARROW_TRAILER_BYTES;
  if (trailer < 0 || Buffer.from(tail.buffer, trailer + 4).toString('latin1') !== ARROW_MAGIC) {
    throw new Error('no Arrow file’s end');
  }
  const length = new DataView(tail.buffer).getUint32(trailer, true);
  const begin = size - ARROW_TRAILER_BYTES - length;
  if (begin < 0 || length > batches * FOOTER_BLOCK_BYTES + FOOTER_OTHER_BYTES) {
    throw new Error(`a footer of ${length} bytes`);
  }
  const held = length <= trailer;
  const bytes = held
    ? new DataView(tail.buffer, trailer - length, length)
    : new DataView((await readInto(newBytes(length), handle, begin)).buffer);
  return { bytes, begin };
}

function endOf({ offset, metadataBytes, bodyBytes }: ArrowBlock): number {
  return offset + metadataBytes + bodyBytes;
}

/** Record batches follow each other, each after the one before it, up to `end`. */
function refuseOtherPlaces(blocks: readonly ArrowBlock[], end: number): void {
  let free = ARROW_MAGIC.length;
  for (const block of blocks) {
    const { offset, metadataBytes, bodyBytes } = block;
    const sound = offset >= free && metadataBytes >= 0 && bodyBytes >= 0 && endOf(block) <= end;
    if (!sound || metadataBytes + bodyBytes > MAX_BATCH_BYTES) {
      throw new Error(`a record batch of ${metadataBytes} and ${bodyBytes} bytes at ${offset}`);
    }
    free = endOf(block);
  }
}

function newBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/** Fills `bytes` from byte `position` of the file on. */
async function readInto(
  bytes: Uint8Array<ArrayBuffer>,
  handle: FileHandle,
  position: number,
): Promise<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await handle.read(bytes, at, bytes.length - at, position + at);
    if (bytesRead === 0) throw new Error(`an end at byte ${position + at}`);
    at += bytesRead;
  }
  return bytes;
}

function copyOf(row: CacheRow): CacheRow {
  const { refTop } = row;
  return {
    pairId: row.pairId,
    sourceRow: row.sourceRow,
    promptIds: row.promptIds.slice(),
    chosenIds: row.chosenIds.slice(),
    rejectedIds: row.rejectedIds.slice(),
    chosenRefLogps: row.chosenRefLogps.slice(),
    rejectedRefLogps: row.rejectedRefLogps.slice(),
    ...(refTop && {
      refTop: {
        chosenIds: refTop.chosenIds.slice(),
        chosenLogps: refTop.chosenLogps.slice(),
        rejectedIds: refTop.rejectedIds.slice(),
        rejectedLogps: refTop.rejectedLogps.slice(),
      },
    }),
  };
}

/** Sums alone cannot select tokens: trained on, they would give plain DPO without a word (METHOD.md, trap 1). */
function refuseOtherColumns(columns: readonly ArrowColumn[], file: string, withTop: boolean): void {
  const names = columns.map(({ name }) => name);
  if (names.length > 0 && !(names.includes('chosen_ref_logps') && names.includes('rejected_ref_logps'))) {
    throw new InputError('cache-without-token-logps', 'the cache holds no log-prob of every token', {
      file,
      found: `columns ${names.join(', ')}`,
      expected: 'chosen_ref_logps and rejected_ref_logps',
      hint:
        'tokens cannot be selected from sums over a response, training would silently be plain DPO; ' +
        'score the dataset with sdpo score',
    });
  }
  const found = columns.map(({ name, type }) => `${name} ${type}`).join(', ');
  const expected = arrowSchema(withTop)
    .fields.map(({ name, type }) => `${name} ${String(type)}`)
    .join(', ');
  if (found !== expected) throw damagedCache(file, `columns ${found}`, `columns ${expected}`);
}

/** Failures of decoding become errors about the file. */
async function decoding<T>(path: string, decode: () => Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (error) {
    if (error instanceof InputError) throw error;
    const explained = explainSystemError(error, path);
    if (explained instanceof InputError) throw explained;
    throw damagedCache(
      path,
      `content that is not Arrow (${(error as Error).message})`,
      'an Arrow file of a cache',
    );
  }
}
