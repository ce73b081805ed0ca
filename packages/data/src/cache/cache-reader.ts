/**
 * Reads a finished cache row by row. A shard's digest is checked before anything in it is decoded; then rows are read in
 * place, a small record batch at a time, so memory does not grow with the cache. Reading changes no order.
 */
import type { CacheRow } from './cache-row.js';
import { checkedPath, filesOf, readManifest, verifiedPath, type CacheManifest } from './manifest.js';
import { OpenShards } from './open-shards.js';
import { ReadMemory } from './read-memory.js';
import type { RecordBatch } from './record-batch.js';

/** Bytes kept for reading single rows, and in use for it at one time, but for one larger record batch. */
const ROW_MEMORY = { kept: 8 << 20, inUse: 64 << 20 };
/** Bytes that {@link CacheReader.rows} reads at one time in the order of the file, about; at least a record batch. */
const PIECE_BYTES = 1 << 20;
/** Reads of single rows that it has on their way while a row is in use. */
const ROWS_AHEAD = 8;

export interface CacheReaderOptions {
  /** `lazily` (default): a shard is verified when first touched. `all`: every file before the cache is opened. */
  verify?: 'lazily' | 'all';
}

export class CacheReader {
  /** Index of each shard's first row. */
  private readonly starts: number[] = [];
  private readonly shards: OpenShards;
  private readonly memory = new ReadMemory(ROW_MEMORY);

  private constructor(
    readonly directory: string,
    readonly manifest: CacheManifest,
  ) {
    this.shards = new OpenShards(directory, manifest);
    let start = 0;
    for (const { rows } of manifest.shards) {
      this.starts.push(start);
      start += rows;
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
      else await reader.shards.verify(shard);
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
    return (await this.shards.get(shard)).row(batch, place, this.memory);
  }

  /**
   * Rows in the order given (of the file by default), from the `start`-th on: a stream can be taken up where it ended.
   * Rows are read ahead; a failure counts when its row is asked for. Their lists may be views of memory that rows share: to
   * be read only, and copied by who keeps single rows.
   * @throws as {@link row}.
   */
  async *rows(order?: Uint32Array, start = 0): AsyncGenerator<CacheRow> {
    if (order !== undefined) {
      yield* readAhead(this.singleRows(order, start), ROWS_AHEAD);
      return;
    }
    for (let ahead = this.piece(start), piece; (piece = await ahead) !== undefined;) {
      ahead = this.piece(piece.end);
      // It counts when it is waited for.
      ahead.catch(() => undefined);
      let first = piece.place;
      for (const batch of piece.batches) {
        for (let i = first; i < batch.rows; i++) yield batch.row(i);
        first = 0;
      }
    }
  }

  async close(): Promise<void> {
    await this.shards.close();
  }

  private *singleRows(order: Uint32Array, start: number): Generator<Promise<CacheRow>> {
    for (let i = start; i < order.length; i++) yield this.row(order[i]!);
  }

  /** What is read at one time from row `start` on; undefined behind the last row. */
  private async piece(start: number): Promise<Piece | undefined> {
    if (start >= this.rowCount) return undefined;
    const { shard: index, batch, place } = this.placeOf(start);
    const shard = await this.shards.get(index);
    const count = shard.batchesWithin(batch, PIECE_BYTES);
    const { recordBatchRows, shards } = this.manifest;
    const end = this.starts[index]! + Math.min(shards[index]!.rows, (batch + count) * recordBatchRows);
    return { batches: await shard.recordBatches(batch, count), place, end };
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
}

/** Record batches of a shard, the place of the first row in them, and the row of the cache that comes after them. */
interface Piece {
  batches: RecordBatch[];
  place: number;
  end: number;
}

/** What the reads give, one after the other; `ahead` of them are on their way while one is in use. */
async function* readAhead<T>(reads: Iterator<Promise<T>>, ahead: number): AsyncGenerator<T> {
  const waiting: Promise<T>[] = [];
  for (;;) {
    while (waiting.length <= ahead) {
      const { value, done } = reads.next();
      if (done === true) break;
      value.catch(() => undefined);
      waiting.push(value);
    }
    const next = waiting.shift();
    if (next === undefined) return;
    yield await next;
  }
}
