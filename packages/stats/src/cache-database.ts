/** A finished cache opened for questions. */
import { realpath } from 'node:fs/promises';
import {
  MANIFEST_FILE,
  checkedPath,
  damagedCache,
  readManifest,
  verifiedPath,
  type CacheManifest,
} from '@selective-dpo/data';
import { InputError, Interrupted } from '@selective-dpo/foundation';
import { cacheViews } from './cache-views.js';
import { firstLine } from './duckdb.js';
import { LockedDatabase } from './locked-database.js';

/** Bytes that DuckDB takes at most, unless told otherwise. */
export const DEFAULT_MEMORY_LIMIT = 2 ** 30;
/** Less than this and DuckDB cannot read a shard. */
export const LEAST_MEMORY_LIMIT = 64 * 2 ** 20;

export interface CacheDatabaseOptions {
  /** Bytes, {@link DEFAULT_MEMORY_LIMIT} by default. */
  memoryLimit?: number | undefined;
  /** Check the digests of what is read first; else its sizes alone. */
  verify?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

export class CacheDatabase {
  private constructor(
    readonly directory: string,
    readonly manifest: CacheManifest,
    readonly database: LockedDatabase,
  ) {}

  /**
   * Opens the Parquet shards that the manifest names, and nothing else in the folder.
   * @throws InputError `cache-missing`, `cache-unfinished`, `cache-damaged`, `cache-other-version`, `path-outside-folder`,
   *   `duckdb-missing`; Interrupted.
   */
  static async open(directory: string, options: CacheDatabaseOptions = {}): Promise<CacheDatabase> {
    const { memoryLimit = DEFAULT_MEMORY_LIMIT, verify = false, signal } = options;
    const manifest = await readManifest(directory);
    const pathOf = verify ? verifiedPath : checkedPath;
    const shards: { path: string; firstRow: number }[] = [];
    let firstRow = 0;
    for (const { parquet, rows } of manifest.shards) {
      shards.push({ path: await realpath(await pathOf(directory, parquet)), firstRow });
      firstRow += rows;
    }
    const dropped = await realpath(await pathOf(directory, manifest.droppedFile));
    const files = [...shards.map(({ path }) => path), dropped];
    try {
      const setup = cacheViews({ shards, dropped });
      const database = await LockedDatabase.open({ files, setup, memoryLimit, signal });
      return new CacheDatabase(directory, manifest, database);
    } catch (error) {
      if (error instanceof InputError || error instanceof Interrupted) throw error;
      throw damagedCache(directory, firstLine(error), `the shards that ${MANIFEST_FILE} names`);
    }
  }

  /** Rows of a statement of ours. @throws InputError `cache-damaged` for what DuckDB cannot read; Interrupted. */
  async rows(statement: string): Promise<Record<string, unknown>[]> {
    try {
      return await this.database.rows(statement);
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      const found = firstLine(error);
      if (found.startsWith('Out of Memory')) throw memoryError(found);
      throw damagedCache(this.directory, found, `the shards that ${MANIFEST_FILE} names`);
    }
  }

  /** The one row of a statement of ours. */
  async row(statement: string): Promise<Record<string, unknown>> {
    return (await this.rows(statement))[0]!;
  }

  async close(): Promise<void> {
    await this.database.close();
  }
}

/** What is said where the limit was too low. */
export function memoryError(found: string): InputError {
  return new InputError('memory-limit', 'DuckDB needs more memory than allowed', {
    field: '--memory-limit',
    found,
    hint: 'raise --memory-limit',
  });
}
