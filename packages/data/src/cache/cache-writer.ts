/**
 * Writes a cache shard by shard. State on disk while it grows: `inputs.json` (what it is made of, published first),
 * the shards, and one small JSON beside each that is published after both of its files: a shard counts once that is
 * there. The manifest comes last, then these helpers go. Killed at any moment, the next writer goes on after the last
 * whole shard, and the finished files are the same bytes.
 */
import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  InputError,
  canonicalJson,
  explainSystemError,
  publishBytes,
  removeTemporaries,
  sha256OfFile,
  syncDirectory,
  temporaryPath,
} from '@selective-dpo/foundation';
import { RECORD_BATCH_ROWS, encodeArrowShard } from './arrow-shard.js';
import { refuseOtherInputs, type CacheInputs } from './cache-inputs.js';
import { CacheLock, LOCK_FILE } from './cache-lock.js';
import { checkCacheRow, type CacheRow } from './cache-row.js';
import {
  DROPPED_FILE,
  MANIFEST_FILE,
  checkedPath,
  filesOf,
  publishManifest,
  readManifest,
  sealManifest,
  shardSchema,
  type CacheFile,
  type CacheManifest,
  type CacheShard,
} from './manifest.js';
import { writeParquetShard } from './parquet-shard.js';

const INPUTS_FILE = 'inputs.json';
const SHARDS_FOLDER = 'shards';

export class CacheWriter {
  private readonly shards: CacheShard[] = [];
  private finished: CacheManifest | undefined;

  private constructor(
    private readonly directory: string,
    private readonly inputs: CacheInputs,
    private readonly lock: CacheLock,
  ) {}

  /**
   * Opens a folder for writing: a new one, an unfinished cache of the same inputs, or a finished one of the same inputs
   * (then {@link complete} is set and there is nothing to do).
   * @throws InputErrors `cache-inputs-differ`; InputError `cache-busy`, `folder-in-use`, `cache-damaged`, `disk-full`, …
   */
  static async open(directory: string, inputs: CacheInputs): Promise<CacheWriter> {
    try {
      await mkdir(join(directory, SHARDS_FOLDER), { recursive: true });
    } catch (error) {
      throw explainSystemError(error, directory);
    }
    const lock = await CacheLock.acquire(directory);
    const writer = new CacheWriter(directory, inputs, lock);
    try {
      await writer.recover();
    } catch (error) {
      await lock.release();
      throw error;
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

  /** Publishes the next shard. @throws InputError `cache-row-invalid`, `disk-full`, … */
  async publishShard(rows: readonly CacheRow[]): Promise<void> {
    const stem = `shard-${String(this.shards.length).padStart(5, '0')}`;
    for (const row of rows) checkCacheRow(row, join(this.directory, SHARDS_FOLDER, stem));
    const parquet = await this.publishData(`${stem}.parquet`, (path) => writeParquetShard(path, rows));
    const arrow = await this.publishData(`${stem}.arrow`, async (path) => {
      const handle = await open(path, 'w');
      try {
        await handle.writeFile(encodeArrowShard(rows));
      } finally {
        await handle.close();
      }
    });
    const responseTokens = rows.reduce((sum, row) => sum + row.chosenIds.length + row.rejectedIds.length, 0);
    const shard: CacheShard = { rows: rows.length, responseTokens, parquet, arrow };
    await publishBytes(this.sidecarPath(this.shards.length), `${JSON.stringify(shard)}\n`);
    this.shards.push(shard);
  }

  /**
   * Publishes the manifest and removes what only a growing cache needs.
   * @param dropped counts of rows left out by reason; their list is `dropped.jsonl`, already in the folder.
   */
  async finish(dropped: Partial<Record<string, number>>): Promise<CacheManifest> {
    const rows = this.resumeFrom.rows;
    const manifest = sealManifest({
      inputs: this.inputs,
      rows,
      responseTokens: this.shards.reduce((sum, shard) => sum + shard.responseTokens, 0),
      recordBatchRows: RECORD_BATCH_ROWS,
      shards: this.shards,
      dropped: Object.fromEntries(
        Object.entries(dropped).filter((entry): entry is [string, number] => entry[1]! > 0),
      ),
      droppedFile: await describeFile(this.directory, DROPPED_FILE),
    });
    await publishManifest(this.directory, manifest);
    this.finished = manifest;
    await this.removeHelpers();
    return manifest;
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
      await this.removeHelpers();
      return;
    }
    if (names.includes(INPUTS_FILE)) {
      refuseOtherInputs(await readInputs(join(this.directory, INPUTS_FILE)), this.inputs, this.directory);
      await this.keepWholeShards();
      return;
    }
    const foreign = names.find((name) => ![SHARDS_FOLDER, LOCK_FILE].includes(name) && !name.startsWith('.'));
    const inside = await readdir(join(this.directory, SHARDS_FOLDER));
    if (foreign !== undefined || inside.length > 0) {
      throw new InputError('folder-in-use', 'the folder is not empty and holds no cache', {
        file: this.directory,
        found: foreign ?? `${SHARDS_FOLDER}/${inside[0]!}`,
        expected: 'a new or empty folder, or a cache',
        hint: 'choose another --out',
      });
    }
    await publishBytes(join(this.directory, INPUTS_FILE), `${canonicalJson(this.inputs)}\n`);
  }

  /** Shards whose sidecar and both files are as they were published, in order; everything after is removed. */
  private async keepWholeShards(): Promise<void> {
    const folder = join(this.directory, SHARDS_FOLDER);
    await removeTemporaries(this.directory);
    for (;;) {
      const shard = await readSidecar(this.sidecarPath(this.shards.length));
      if (shard === undefined || !(await this.isWhole(shard))) break;
      this.shards.push(shard);
    }
    const kept = new Set(
      this.shards.flatMap((shard) => [shard.parquet, shard.arrow].map(({ name }) => basename(name))),
    );
    this.shards.forEach((_, i) => kept.add(basename(this.sidecarPath(i))));
    for (const name of await readdir(folder)) {
      if (!kept.has(name)) await rm(join(folder, name), { recursive: true });
    }
  }

  private async isWhole(shard: CacheShard): Promise<boolean> {
    for (const file of [shard.parquet, shard.arrow]) {
      const digest = await sha256OfFile(join(this.directory, file.name)).catch(() => undefined);
      if (digest !== file.sha256) return false;
    }
    return true;
  }

  private async publishData(name: string, write: (path: string) => Promise<void>): Promise<CacheFile> {
    const path = join(this.directory, SHARDS_FOLDER, name);
    const temporary = temporaryPath(path);
    try {
      await write(temporary);
      await syncDirectory(temporary);
      await rename(temporary, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw explainSystemError(error, path);
    }
    return describeFile(this.directory, `${SHARDS_FOLDER}/${name}`);
  }

  private async removeHelpers(): Promise<void> {
    await rm(join(this.directory, INPUTS_FILE), { force: true });
    const folder = join(this.directory, SHARDS_FOLDER);
    for (const name of await readdir(folder)) if (name.endsWith('.json')) await rm(join(folder, name));
    await removeTemporaries(this.directory);
    await removeTemporaries(folder);
  }

  private sidecarPath(index: number): string {
    return join(this.directory, SHARDS_FOLDER, `shard-${String(index).padStart(5, '0')}.json`);
  }
}

async function describeFile(directory: string, name: string): Promise<CacheFile> {
  const path = join(directory, name);
  try {
    return { name, bytes: (await stat(path)).size, sha256: await sha256OfFile(path) };
  } catch (error) {
    throw explainSystemError(error, path);
  }
}

async function readInputs(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw explainSystemError(error, file);
    throw new InputError('cache-damaged', 'the description of the unfinished cache cannot be read', {
      file,
      hint: 'delete the folder and score anew',
    });
  }
}

async function readSidecar(path: string): Promise<CacheShard | undefined> {
  try {
    return shardSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}
