/**
 * Which tokens of each pair were kept at its last visit, for the metric `selection/overlap_previous`. One bit a
 * token, bounded: when the store is full, new pairs are not remembered.
 */
import type { PairMask } from '../loss/preference-loss.js';
import { packMask } from './mask-bits.js';

const MAX_BYTES = 64 << 20;
/** Row and length before each entry's bits, 4 bytes each. */
const ENTRY_HEAD_BYTES = 8;
/** A full store of entries of one byte each. */
export const MAX_HISTORY_BLOCK_BYTES = (1 + ENTRY_HEAD_BYTES) * MAX_BYTES;

export class SelectionHistory {
  private readonly bits = new Map<number, Uint8Array>();
  private bytes = 0;

  constructor(private readonly maxBytes = MAX_BYTES) {}

  /**
   * Share of the tokens kept now that were kept at the last visit of this pair, in [0, 1]; undefined at the
   * first visit. Remembers the new mask.
   * @param row the pair's row in the cache.
   */
  visit(row: number, mask: PairMask): { kept: number; keptBefore: number } | undefined {
    const now = packMask(mask);
    const before = this.bits.get(row);
    if (before === undefined) {
      if (this.bytes + now.length > this.maxBytes) return undefined;
      this.bytes += now.length;
      this.bits.set(row, now);
      return undefined;
    }
    this.bits.set(row, now);
    let kept = 0;
    let keptBefore = 0;
    for (let i = 0; i < now.length; i++) {
      kept += popCount(now[i]!);
      keptBefore += popCount(now[i]! & before[i]!);
    }
    return { kept, keptBefore };
  }

  /** All masks as one block: per pair its row, its length in bytes (uint32, little-endian each), its bits. */
  export(): Uint8Array {
    const block = new Uint8Array(this.bytes + ENTRY_HEAD_BYTES * this.bits.size);
    const view = new DataView(block.buffer);
    let at = 0;
    for (const [row, bits] of [...this.bits].sort(([a], [b]) => a - b)) {
      view.setUint32(at, row, true);
      view.setUint32(at + 4, bits.length, true);
      block.set(bits, at + ENTRY_HEAD_BYTES);
      at += ENTRY_HEAD_BYTES + bits.length;
    }
    return block;
  }

  /** The inverse of {@link export}. @throws RangeError for a block that it did not give. */
  static import(block: Uint8Array): SelectionHistory {
    const history = new SelectionHistory();
    const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
    let rowBefore = -1;
    for (let at = 0; at < block.length;) {
      const bits = at + ENTRY_HEAD_BYTES;
      const length = bits <= block.length ? view.getUint32(at + 4, true) : Infinity;
      if (bits + length > block.length) throw new RangeError(`the block ends inside the entry at byte ${at}`);
      const row = view.getUint32(at, true);
      if (row <= rowBefore || length === 0) throw new RangeError(`no entry belongs at byte ${at}`);
      rowBefore = row;
      // A copy: a Buffer's own slice would keep the whole block in memory.
      history.bits.set(row, new Uint8Array(block.subarray(bits, bits + length)));
      history.bytes += length;
      at = bits + length;
    }
    return history;
  }
}

function popCount(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
