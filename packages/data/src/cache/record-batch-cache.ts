/** Record batches, the least recently used let go first, bounded by the bytes they hold. */
import type { RecordBatch } from './record-batch.js';

interface Held {
  batch: Promise<RecordBatch>;
  /** 0 while it is being read. */
  bytes: number;
}

export class RecordBatchCache {
  private readonly held = new Map<number, Held>();
  private bytes = 0;

  /** @param maxBytes bound on what is held; the batch read last is held in any case. */
  constructor(private readonly maxBytes: number) {}

  /** The batch of that number, read by `load` unless it is held or on its way. A failed read is not held. */
  get(key: number, load: () => Promise<RecordBatch>): Promise<RecordBatch> {
    const held = this.held.get(key);
    if (held !== undefined) {
      this.held.delete(key);
      this.held.set(key, held);
      return held.batch;
    }
    const entry: Held = { batch: load(), bytes: 0 };
    this.held.set(key, entry);
    entry.batch.then(
      (batch) => {
        if (this.held.get(key) !== entry) return;
        entry.bytes = batch.byteLength;
        this.bytes += entry.bytes;
        this.shrink(entry);
      },
      () => {
        if (this.held.get(key) === entry) this.held.delete(key);
      },
    );
    return entry.batch;
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
