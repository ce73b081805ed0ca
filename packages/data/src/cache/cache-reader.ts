/**
 * Reads a finished cache row by row. A shard's digest is checked before anything in it is decoded; then rows are read in
 * place, a small record batch at a time, so memory does not grow with the cache. Reading changes no order.
 */
import { stat } from 'node:fs/promises';
import { explainSystemError, openRegularFile } from '@selective-dpo/foundation';
import { ArrowShard } from './arrow-shard.js';
import type { CacheRow } from './cache-row.js';
import { refuseEndlessArrow } from './foreign-decoding.js';
import { checkedPath, filesOf, readManifest, verifiedPath, type CacheManifest } from './manifest.js';
import { RecordBatchCache } from './record-batch-cache.js';

/** Bytes of decoded record batches held at one time. */
const HELD_BYTES = 32 << 20;
/** Shards whose file is open at one time; the common limit of a process is 1,024 files. */
const SHARDS_OPEN = 64;

export interface CacheReaderOptions {
  /** `lazily` (default): a shard is verified when first touched. `all`: every file before the cache is opened. */
  verify?: 'lazily' | 'all';
}

export class CacheReader {
  /** Index of each shard's first row. */
  private readonly starts: number[] = [];
  private readonly shards = new Map<number, Promise<ArrowShard>>();
  private readonly batches = new RecordBatchCache(HELD_BYTES);
  /** Identity, at the time of its check, of each Arrow file that was found right: it is not read through again. */
  private readonly verified = new Map<number, string>();

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
   * Opens a finished cache.
   * @throws InputError `cache-missing`, `cache-unfinished`, `cache-damaged`, `cache-other-version`,
   *   `cache-without-token-logps`.
   */
  static async open(directory: string, { verify = 'lazily' }: CacheReaderOptions = {}): Promise<CacheReader> {
    const reader = new CacheReader(directory, await readManifest(directory));
    const arrowFiles = new Map(reader.manifest.shards.map(({ arrow }, shard) => [arrow, shard]));
    for (const file of filesOf(reader.manifest)) {
      const shard = arrowFiles.get(file);
      if (verify === 'lazily') await checkedPath(directory, file);
      else if (shard === undefined) await verifiedPath(directory, file);
      else await reader.verifyArrow(shard);
    }
    return reader;
  }

  get rowCount(): number {
    return this.manifest.rows;
  }

  /**
   * The row at `index` in [0, rowCount), a copy that is the caller's own.
   * @throws RangeError outside the cache; InputError `cache-damaged`, `cache-row-invalid`.
   */
  async row(index: number): Promise<CacheRow> {
    if (!Number.isInteger(index) || index < 0 || index >= this.rowCount) {
      throw new RangeError(`row ${index} of a cache of ${this.rowCount}`);
    }
    const shard = this.shardOf(index);
    const local = index - this.starts[shard]!;
    const perBatch = this.manifest.recordBatchRows;
    const batch = Math.floor(local / perBatch);
    const rows = await this.batches.get(`${shard}/${batch}`, async () =>
      (await this.shard(shard)).rows(batch),
    );
    return copyOf(rows[local % perBatch]!);
  }

  /**
   * Rows in the order given (of the file by default), from the `start`-th on: a stream can be taken up where it ended.
   * @throws as {@link row}.
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

  private shard(index: number): Promise<ArrowShard> {
    const held = this.shards.get(index);
    const shard = held ?? this.openShard(index);
    this.shards.delete(index);
    this.shards.set(index, shard);
    if (held === undefined) {
      shard.catch(() => {
        if (this.shards.get(index) === shard) this.shards.delete(index);
      });
      if (this.shards.size > SHARDS_OPEN) this.letGo(this.shards.keys().next().value!);
    }
    return shard;
  }

  private letGo(index: number): void {
    const shard = this.shards.get(index);
    this.shards.delete(index);
    // Reads asked for before this finish first: they were chained to the same promise earlier, and close waits for them.
    void shard?.then((file) => file.close()).catch(() => undefined);
  }

  private async openShard(index: number): Promise<ArrowShard> {
    const path = await this.verifyArrow(index);
    const { recordBatchRows, shards } = this.manifest;
    const { handle } = await openRegularFile(path);
    return ArrowShard.open(handle, path, { rows: shards[index]!.rows, recordBatchRows });
  }

  /** Path of a shard's Arrow file, read through for its digest unless that was done and it is the same file still. */
  private async verifyArrow(index: number): Promise<string> {
    const { arrow } = this.manifest.shards[index]!;
    const path = await checkedPath(this.directory, arrow);
    const identity = await identityOf(path);
    if (this.verified.get(index) !== identity) {
      await verifiedPath(this.directory, arrow);
      await refuseEndlessArrow(path);
      this.verified.set(index, identity);
    }
    return path;
  }
}

async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
    return [dev, ino, size, mtimeMs, ctimeMs].join(' ');
  } catch (error) {
    throw explainSystemError(error, path);
  }
}

/** A view would keep the whole record batch in memory for as long as one row of it is in use. */
function copyOf(row: CacheRow): CacheRow {
  return {
    pairId: row.pairId,
    sourceRow: row.sourceRow,
    promptIds: row.promptIds.slice(),
    chosenIds: row.chosenIds.slice(),
    rejectedIds: row.rejectedIds.slice(),
    chosenRefLogps: row.chosenRefLogps.slice(),
    rejectedRefLogps: row.rejectedRefLogps.slice(),
  };
}
