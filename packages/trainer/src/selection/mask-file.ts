/**
 * Masks of many pairs in a file: written once in any order, read a pair at a time. Memory holds 4 bytes a row of the cache, never
 * the masks.
 *
 *   'SDPOMASK', version and rows of the cache (uint32 each, little-endian as all numbers here)
 *   a uint32 for each row: where its bits begin behind this table, or NONE
 *   the bits of each pair, see mask-bits.ts
 */
import type { FileHandle } from 'node:fs/promises';
import { InputError, openRegularFile, writeFully } from '@selective-dpo/foundation';
import type { PairMask } from '../loss/preference-loss.js';
import { maskBytes, packMask, unpackMask } from './mask-bits.js';

const MAGIC = 'SDPOMASK';
const VERSION = 1;
const HEAD_BYTES = MAGIC.length + 8;
/** No pair has so many bytes of masks before it: a cache of that size would hold 34 thousand million tokens. */
const NONE = 0xffffffff;
/** Bytes of masks that are written at one time, about. */
const PIECE_BYTES = 1 << 16;

/** The mask of the pair in row `row` of the cache. */
export interface RowMask {
  row: number;
  mask: PairMask;
}

/**
 * Writes the file from its beginning.
 * @param rows of the cache.
 * @param masks each row at most once.
 */
export async function writeMasks(
  handle: FileHandle,
  rows: number,
  masks: AsyncIterable<RowMask>,
): Promise<void> {
  const starts = new Uint32Array(rows).fill(NONE);
  const body = HEAD_BYTES + starts.byteLength;
  let [written, waiting]: [number, Uint8Array[]] = [0, []];
  let held = 0;
  const flush = async () => {
    await writeFully(handle, Buffer.concat(waiting), body + written);
    [written, waiting, held] = [written + held, [], 0];
  };
  for await (const { row, mask } of masks) {
    const bits = packMask(mask);
    starts[row] = written + held;
    waiting.push(bits);
    held += bits.length;
    if (held >= PIECE_BYTES) await flush();
  }
  if (held > 0) await flush();
  const head = Buffer.alloc(body);
  head.write(MAGIC, 'latin1');
  head.writeUInt32LE(VERSION, MAGIC.length);
  head.writeUInt32LE(rows, MAGIC.length + 4);
  starts.forEach((start, row) => head.writeUInt32LE(start, HEAD_BYTES + 4 * row));
  await writeFully(handle, head, 0);
}

/** Reads the masks of a file whose digest was checked. */
export class MaskFile {
  private constructor(
    private readonly handle: FileHandle,
    private readonly path: string,
    private readonly starts: Uint32Array,
  ) {}

  /**
   * @param rows of the cache.
   * @throws InputError `run-damaged` for a file of another kind or another number of rows.
   */
  static async open(path: string, rows: number): Promise<MaskFile> {
    const { handle } = await openRegularFile(path);
    try {
      const head = Buffer.alloc(HEAD_BYTES + 4 * rows);
      const { bytesRead } = await handle.read(head, 0, head.length, 0);
      const sound =
        bytesRead === head.length &&
        head.toString('latin1', 0, MAGIC.length) === MAGIC &&
        head.readUInt32LE(MAGIC.length) === VERSION &&
        head.readUInt32LE(MAGIC.length + 4) === rows;
      if (!sound) throw damaged(path, 'another head', `masks of a cache of ${rows} pairs`);
      const starts = Uint32Array.from({ length: rows }, (_, row) => head.readUInt32LE(HEAD_BYTES + 4 * row));
      return new MaskFile(handle, path, starts);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * The mask of a pair.
   * @param row in the cache.
   * @throws InputError `run-damaged` where the file has none.
   */
  async mask(row: number, chosenTokens: number, rejectedTokens: number): Promise<PairMask> {
    const start = this.starts[row] ?? NONE;
    const bits = new Uint8Array(maskBytes(chosenTokens + rejectedTokens));
    const at = HEAD_BYTES + this.starts.byteLength + start;
    const { bytesRead } = await this.handle.read(bits, 0, bits.length, at);
    if (start === NONE || bytesRead !== bits.length) {
      throw damaged(this.path, `no mask of pair ${row}`, 'a mask of every pair that the run sees');
    }
    return unpackMask(bits, chosenTokens, rejectedTokens);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

function damaged(file: string, found: string, expected: string): InputError {
  return new InputError('run-damaged', 'the frozen selection of the run is damaged', {
    file,
    found,
    expected,
    hint: 'remove this file and resume: it is made again',
  });
}
