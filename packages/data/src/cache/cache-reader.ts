/**
 * Reads a finished cache row by row. A shard's digest is checked before anything in it is decoded; then rows are read in
 * place, a small record batch at a time, so memory does not grow with the cache. Reading changes no order.
 */
import { open } from 'node:fs/promises';
import { ArrowShard } from './arrow-shard.js';
import type { CacheRow } from './cache-row.js';
import { damagedCache, readManifest, verifiedPath, type CacheManifest } from './manifest.js';

/** Decoded record batches held at one time; the least recently used is let go first. */
const BATCHES_HELD = 64;
/** Shards whose file is open at one time. */
const SHARDS_OPEN = 32;

export class CacheReader {
  private readonly starts: number[] = [];
  private readonly shards = new Map<number, Promise<ArrowShard>>();
  private readonly batches = new Map<string, Promise<CacheRow[]>>();

  private constructor(
    readonly directory: string,
    readonly manifest: CacheManifest,
  ) {
    let start = 0;
    for (const shard of manifest.shards) {
      this.starts.push(start);
      start += shard.rows;
    }
  }

  /**
   * Opens a finished cache; shards are verified when first touched.
   * @throws InputError `cache-missing`, `cache-unfinished`, `cache-damaged`, `cache-without-token-logps`.
   */
  static async open(directory: string): Promise<CacheReader> {
    return new CacheReader(directory, await readManifest(directory));
  }

  get rowCount(): number {
    return this.manifest.rows;
  }

  /**
   * The row at `index` in [0, rowCount). Its lists are views of memory shared with other rows: read, do not write.
   * @throws RangeError outside the cache; InputError `cache-damaged`.
   */
  async row(index: number): Promise<CacheRow> {
    if (!Number.isInteger(index) || index < 0 || index >= this.rowCount) {
      throw new RangeError(`row ${index} of a cache of ${this.rowCount}`);
    }
    const shard = this.shardOf(index);
    const local = index - this.starts[shard]!;
    const perBatch = this.manifest.recordBatchRows;
    const rows = await this.batch(shard, Math.floor(local / perBatch));
    const row = rows[local % perBatch];
    if (row === undefined) {
      throw damagedCache(
        this.manifest.shards[shard]!.arrow.name,
        `no row ${local}`,
        `${perBatch} rows a batch`,
      );
    }
    return row;
  }

  /**
   * Rows in the order given (of the file by default), from the `start`-th on: a stream can be taken up where it ended.
   */
  async *rows(order?: Uint32Array, start = 0): AsyncGenerator<CacheRow> {
    const count = order?.length ?? this.rowCount;
    for (let i = start; i < count; i++) yield await this.row(order?.[i] ?? i);
  }

  async close(): Promise<void> {
    const open = [...this.shards.values()];
    this.shards.clear();
    this.batches.clear();
    for (const shard of open) await (await shard.catch(() => undefined))?.close();
  }

  private shardOf(index: number): number {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private batch(shard: number, batch: number): Promise<CacheRow[]> {
    const key = `${shard}/${batch}`;
    const held = this.batches.get(key);
    const rows = held ?? this.shard(shard).then((file) => file.rows(batch));
    this.batches.delete(key);
    this.batches.set(key, rows);
    if (held === undefined) {
      rows.catch(() => this.batches.delete(key));
      if (this.batches.size > BATCHES_HELD) this.batches.delete(this.batches.keys().next().value!);
    }
    return rows;
  }

  private shard(index: number): Promise<ArrowShard> {
    const held = this.shards.get(index);
    const shard = held ?? this.openShard(index);
    this.shards.delete(index);
    this.shards.set(index, shard);
    if (held === undefined) {
      shard.catch(() => this.shards.delete(index));
      if (this.shards.size > SHARDS_OPEN) this.letGo(this.shards.keys().next().value!);
    }
    return shard;
  }

  private letGo(index: number): void {
    const shard = this.shards.get(index);
    this.shards.delete(index);
    // Reads under way finish first: close waits for them.
    void shard?.then((file) => file.close()).catch(() => undefined);
  }

  private async openShard(index: number): Promise<ArrowShard> {
    const { arrow } = this.manifest.shards[index]!;
    const path = await verifiedPath(this.directory, arrow);
    const handle = await open(path, 'r');
    try {
      return await ArrowShard.open(handle, path);
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
  }
}
