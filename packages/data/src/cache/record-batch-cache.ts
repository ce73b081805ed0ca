/** Decoded record batches, the least recently used let go first, bounded by the bytes they hold. */
import type { CacheRow } from './cache-row.js';

interface Held {
  rows: Promise<CacheRow[]>;
  /** 0 while it is being read. */
  bytes: number;
}

/** Strings, objects and views around a row's values, roughly. */
const ROW_OVERHEAD_BYTES = 512;

export class RecordBatchCache {
  private readonly held = new Map<string, Held>();
  private bytes = 0;

  /** @param maxBytes bound on what is held; the batch read last is held in any case. */
  constructor(private readonly maxBytes: number) {}

  /** The batch of that key, read by `load` unless it is held or on its way. A failed read is not held. */
  get(key: string, load: () => Promise<CacheRow[]>): Promise<CacheRow[]> {
    const held = this.held.get(key);
    if (held !== undefined) {
      this.held.delete(key);
      this.held.set(key, held);
      return held.rows;
    }
    const entry: Held = { rows: load(), bytes: 0 };
    this.held.set(key, entry);
    entry.rows.then(
      (rows) => {
        if (this.held.get(key) !== entry) return;
        entry.bytes = bytesOf(rows);
        this.bytes += entry.bytes;
        this.shrink(entry);
      },
      () => {
        if (this.held.get(key) === entry) this.held.delete(key);
      },
    );
    return entry.rows;
  }

  clear(): void {
    this.held.clear();
    this.bytes = 0;
  }

  private shrink(latest: Held): void {
    for (const [key, entry] of this.held) {
      if (this.bytes <= this.maxBytes) return;
      if (entry.bytes === 0 || entry === latest) continue;
      this.held.delete(key);
      this.bytes -= entry.bytes;
    }
  }
}

function bytesOf(rows: readonly CacheRow[]): number {
  return rows.reduce(
    (sum, row) =>
      sum +
      ROW_OVERHEAD_BYTES +
      row.promptIds.byteLength +
      2 * (row.chosenIds.byteLength + row.rejectedIds.byteLength),
    0,
  );
}
