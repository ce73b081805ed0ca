/**
 * Writes a cache shard by shard. State on disk while it grows: `inputs.json` (what it is made of, published first),
 * the shards, and one small JSON beside each that is published after both of its files: a shard counts once that is
 * there. The manifest comes last, then these helpers go. Killed at any moment, the next writer goes on after the last
 * whole shard, and the finished files are the same bytes.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  FolderLock,
  InputError,
  explainSystemError,
  makeFolder,
  refuseLinkedFolder,
  removeTemporaries,
} from '@selective-dpo/foundation';
import { normalInputs, refuseOtherInputs, type CacheInputs } from './cache-inputs.js';
import type { CacheRow } from './cache-row.js';
import { closeCache } from './close-cache.js';
import { refuseForeignFolder } from './foreign-folder.js';
import {
  MANIFEST_FILE,
  checkedPath,
  filesOf,
  readManifest,
  type CacheManifest,
  type CacheShard,
  type Rescored,
} from './manifest.js';
import { publishShardFiles } from './shard-files.js';
import {
  INPUTS_FILE,
  SHARDS_FOLDER,
  WORKERS_FILE,
  hasPublishedShards,
  publishInputs,
  readInputs,
  removeHelpers,
  wholeShards,
} from './unfinished-cache.js';

export class CacheWriter {
  private readonly shards: CacheShard[] = [];
  private finished: CacheManifest | undefined;

  private constructor(
    private readonly directory: string,
    private readonly inputs: CacheInputs,
    private readonly lock: FolderLock,
  ) {}

  /**
   * Opens a folder for writing: a new one, an unfinished cache of the same inputs, or a finished one of the same inputs
   * (then {@link complete} is set and there is nothing to do). A folder that is refused is left as it is.
   * @throws InputErrors `cache-inputs-differ`; InputError `cache-busy`, `cache-of-workers`, `folder-in-use`, `cache-damaged`,
   *   `cache-other-version`, `disk-full`, …
   */
  static async open(directory: string, inputs: CacheInputs): Promise<CacheWriter> {
    const normal = normalInputs(inputs);
    await refuseForeignFolder(directory);
    await makeFolder(directory);
    const lock = await FolderLock.acquire(directory, { code: 'cache-busy', what: 'cache' });
    const writer = new CacheWriter(directory, normal, lock);
    try {
      await writer.recover();
    } catch (error) {
      await lock.release();
      throw explainSystemError(error, directory);
    }
    return writer;
  }

  /** The manifest of a cache that was finished before this writer was opened, or by it. */
  get complete(): CacheManifest | undefined {
    return this.finished;
  }

  /** What earlier writers have published: the source's first `rows` pairs need not be scored again. */
  get resumeFrom(): { shards: number; rows: number } {
    return { shards: this.shards.length, rows: this.shards.reduce((sum, shard) => sum + shard.rows, 0) };
  }

  /**
   * Publishes the next shard; one call at a time. Every shard but the last holds `inputs.rowsPerShard` rows, so that a
   * pass cut into several makes the same files.
   * @param rescored what asking for some of them a second time gave.
   * @throws InputError `cache-row-invalid`, `cache-rows-too-large`, `disk-full`, …; RangeError for another number of rows.
   */
  async publishShard(rows: readonly CacheRow[], rescored?: Rescored): Promise<void> {
    this.refuseOutOfTurn(rows.length);
    const shard = await publishShardFiles(this.directory, this.shards.length, rows, this.inputs, rescored);
    this.shards.push(shard);
  }

  /**
   * Publishes the manifest and removes what only a growing cache needs.
   * @param dropped counts of rows left out by reason; their list is `dropped.jsonl`, already in the folder.
   * @throws InputError `cache-damaged` if that list says otherwise; `file-not-found`, `disk-full`, …
   */
  async finish(dropped: Partial<Record<string, number>>): Promise<CacheManifest> {
    this.finished = await closeCache(this.directory, this.inputs, this.shards, dropped);
    return this.finished;
  }

  /** Lets other writers in. */
  async close(): Promise<void> {
    await this.lock.release();
  }

  private async recover(): Promise<void> {
    const names = await readdir(this.directory);
    if (names.includes(MANIFEST_FILE)) {
      const manifest = await readManifest(this.directory);
      refuseOtherInputs(manifest.inputs, this.inputs, this.directory);
      for (const file of filesOf(manifest)) await checkedPath(this.directory, file);
      this.finished = manifest;
      await removeHelpers(this.directory);
      return;
    }
    if (names.includes(WORKERS_FILE)) throw ofWorkers(this.directory);
    await refuseLinkedFolder(join(this.directory, SHARDS_FOLDER));
    // Another writer may have begun and ended between the look from outside and the lock.
    if (!names.includes(INPUTS_FILE)) await refuseForeignFolder(this.directory);
    await removeTemporaries(this.directory);
    await makeFolder(join(this.directory, SHARDS_FOLDER));
    // Before the first shard nothing is there that another input could mix with: a mended file begins anew.
    if (!(await hasPublishedShards(this.directory))) {
      await publishInputs(this.directory, this.inputs);
    } else if (names.includes(INPUTS_FILE)) {
      refuseOtherInputs(await readInputs(this.directory), this.inputs, this.directory);
    }
    this.shards.push(...(await wholeShards(this.directory, this.inputs)));
  }

  private refuseOutOfTurn(rows: number): void {
    const { rowsPerShard } = this.inputs;
    const last = this.shards.at(-1);
    if (this.finished !== undefined) throw new RangeError('the cache is finished');
    if (last !== undefined && last.rows < rowsPerShard) {
      throw new RangeError(`the last shard, of ${last.rows} rows, has been published`);
    }
    if (rows < 1 || rows > rowsPerShard) {
      throw new RangeError(`a shard of ${rows} rows where 1 to ${rowsPerShard} were expected`);
    }
  }
}

/** Shards after a gap are other workers', and not leftovers. */
function ofWorkers(file: string): InputError {
  return new InputError('cache-of-workers', 'several workers fill this cache', {
    file,
    hint: 'go on with --shard-index and --shard-count, or close it with sdpo cache merge',
  });
}
