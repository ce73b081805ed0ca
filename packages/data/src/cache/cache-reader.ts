/**
 * Reads a finished cache row by row. A shard's digest is checked before anything in it is decoded; then rows are read in
 * place, a small record batch at a time, so memory does not grow with the cache. Reading changes no order.
 */
import type { FileHandle } from 'node:fs/promises';
import { openRegularFile } from '@selective-dpo/foundation';
import { ArrowShard } from './arrow-shard.js';
import type { CacheRow } from './cache-row.js';
import {
  checkedPath,
  filesOf,
  readManifest,
  refuseOtherDigest,
  verifiedPath,
  type CacheManifest,
} from './manifest.js';
import type { RecordBatch } from './record-batch.js';
import { RecordBatchCache } from './record-batch-cache.js';

/** Bytes of record batches held at one time. */
const HELD_BYTES = 8 << 20;
/** Shards whose file is open at one time; the common limit of a process is 1,024 files. */
const SHARDS_OPEN = 256;
/** Bytes that {@link CacheReader.rows} reads at one time in the order of the file, about; at least a record batch. */
const READ_BYTES = 1 << 20;
/** Reads that it has on their way while a row is in use: of {@link READ_BYTES}, and of a row in another order. */
const [PIECES_AHEAD, ROWS_AHEAD] = [1, 8];

export interface CacheReaderOptions {
  /** `lazily` (default): a shard is verified when first touched. `all`: every file before the cache is opened. */
  verify?: 'lazily' | 'all';
}

export class CacheReader {
  /** Index of each shard's first row, and the number of its first record batch. */
  private readonly starts: number[] = [];
  private readonly batchStarts: number[] = [];
  private readonly shards = new Map<number, Promise<ArrowShard>>();
  private readonly batches = new RecordBatchCache(HELD_BYTES);
  /** Identity, at the time of its check, of each Arrow file that was found right: it is not read through again. */
  private readonly verified = new Map<number, string>();

  private constructor(
    readonly directory: string,
    readonly manifest: CacheManifest,
  ) {
    let [start, batches] = [0, 0];
    for (const { rows } of manifest.shards) {
      this.starts.push(start);
      this.batchStarts.push(batches);
      start += rows;
      batches += Math.ceil(rows / manifest.recordBatchRows);
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
      else await (await reader.openShard(shard)).close();
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
    const { shard, batch, place } = this.placeOf(index);
    // A view would keep the whole record batch in memory for as long as one row of it is in use.
    return copyOf((await this.recordBatch(shard, batch)).row(place));
  }

  /**
   * Rows in the order given (of the file by default), from the `start`-th on: a stream can be taken up where it ended.
   * Their lists are views of memory that rows share: to be read only, and copied by who keeps single rows.
   * @throws as {@link row}.
   */
  async *rows(order?: Uint32Array, start = 0): AsyncGenerator<CacheRow> {
    const runs = this.runs(order, start);
    const ahead: Run[] = [];
    const most = order === undefined ? PIECES_AHEAD : ROWS_AHEAD;
    for (;;) {
      while (ahead.length <= most) {
        const { value } = runs.next();
        if (value === undefined) break;
        ahead.push(value);
      }
      const run = ahead.shift();
      if (run === undefined) return;
      let { place, rows } = run;
      for (const batch of await run.batches) {
        for (; rows > 0 && place < batch.rows; place++, rows--) yield batch.row(place);
        place = 0;
      }
    }
  }

  async close(): Promise<void> {
    const open = [...this.shards.values()];
    this.shards.clear();
    this.batches.clear();
    for (const shard of open) await (await shard.catch(() => undefined))?.close();
  }

  /** The rows of an order, those that are read together in one run, on its way. */
  private *runs(order: Uint32Array | undefined, start: number): Generator<Run, undefined> {
    const count = order?.length ?? this.rowCount;
    for (let i = start; i < count;) {
      const { shard, batch, place } = this.placeOf(order?.[i] ?? i);
      const run =
        order === undefined
          ? this.neighbours(shard, batch, place)
          : { batches: this.recordBatch(shard, batch).then((one) => [one]), place, rows: 1 };
      // A failure counts when the rows are asked for, if they ever are.
      run.batches.catch(() => undefined);
      yield run;
      i += run.rows;
    }
  }

  /** Some record batches of a shard in one piece; a scan has no use for what is held, and leaves it as it is. */
  private neighbours(shard: number, batch: number, place: number): Run {
    const { recordBatchRows, shards } = this.manifest;
    const { rows, arrow } = shards[shard]!;
    const batches = Math.ceil(rows / recordBatchRows);
    const count = Math.min(batches - batch, Math.max(1, Math.floor((READ_BYTES * batches) / arrow.bytes)));
    const last = Math.min(rows, (batch + count) * recordBatchRows);
    return {
      batches: this.shard(shard).then((opened) => opened.recordBatches(batch, count)),
      place,
      rows: last - batch * recordBatchRows - place,
    };
  }

  private recordBatch(shard: number, batch: number): Promise<RecordBatch> {
    return this.batches.get(this.batchStarts[shard]! + batch, async () => {
      const [read] = await (await this.shard(shard)).recordBatches(batch, 1);
      return read!;
    });
  }

  /** @throws RangeError for a row that is not there. */
  private placeOf(index: number): { shard: number; batch: number; place: number } {
    if (!Number.isInteger(index) || index < 0 || index >= this.rowCount) {
      throw new RangeError(`row ${index} of a cache of ${this.rowCount}`);
    }
    let shard = 0;
    for (let high = this.starts.length - 1; shard < high;) {
      const middle = (shard + high + 1) >> 1;
      if (this.starts[middle]! <= index) shard = middle;
      else high = middle - 1;
    }
    const local = index - this.starts[shard]!;
    const { recordBatchRows } = this.manifest;
    return { shard, batch: Math.floor(local / recordBatchRows), place: local % recordBatchRows };
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

  /** The file is read through for its digest, unless that was done and it is the same file still. */
  private async openShard(index: number): Promise<ArrowShard> {
    const { recordBatchRows, shards } = this.manifest;
    const { rows, arrow } = shards[index]!;
    const path = await checkedPath(this.directory, arrow);
    const { handle, size } = await openRegularFile(path);
    try {
      const identity = await identityOf(handle);
      if (this.verified.get(index) !== identity) {
        await refuseOtherDigest(handle, path, arrow);
        this.verified.set(index, identity);
      }
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
    return ArrowShard.open(handle, size, path, { rows, recordBatchRows });
  }
}

/** Rows that are read together, from `place` of the first batch on. */
interface Run {
  batches: Promise<RecordBatch[]>;
  place: number;
  rows: number;
}

async function identityOf(handle: FileHandle): Promise<string> {
  const { dev, ino, size, mtimeMs, ctimeMs } = await handle.stat();
  return [dev, ino, size, mtimeMs, ctimeMs].join(' ');
}

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
