/** Checks every byte and every value of a cache: digests, then Parquet and Arrow against each other. */
import { lstat, readdir } from 'node:fs/promises';
import { join, sep } from 'node:path';
import {
  InputError,
  Interrupted,
  LOCK_FILE,
  ProgressMeter,
  explainSystemError,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { ColumnarDecoder } from '../rows/columnar-rows.js';
import { refuseOtherCounts } from './dropped-file.js';
import {
  MANIFEST_FILE,
  filesOf,
  readManifest,
  verifiedPath,
  type CacheManifest,
  type CacheShard,
} from './manifest.js';
import { verifyShard } from './verify-shard.js';

export interface CacheVerification {
  rows: number;
  responseTokens: number;
  shards: number;
  bytes: number;
}

export interface VerifyOptions {
  listener?: ProgressListener | undefined;
  signal?: AbortSignal | undefined;
  /** Every byte, by its digest, but no value: for a cache that was sound where it was written. It takes a tenth of the time. */
  digestsOnly?: boolean;
}

/**
 * Verifies a finished cache. Memory: the manifest, and a row group of a shard.
 * @throws InputError `cache-damaged` naming the first file that is not what the manifest says, `cache-stray-file`,
 *   `cache-missing`, `cache-unfinished`, `cache-other-version`; Interrupted when `signal` stopped it.
 */
export async function verifyCache(
  directory: string,
  options: VerifyOptions = {},
): Promise<CacheVerification> {
  const manifest = await readManifest(directory);
  await refuseStrayFiles(directory, manifest);
  await refuseOtherCounts(await verifiedPath(directory, manifest.droppedFile), manifest.dropped);
  // All digests first: nothing is decoded of a cache that was damaged on its way.
  await eachShard('digests', DIGESTS_AT_ONCE, manifest, options, async ({ parquet, arrow }) => {
    for (const file of [parquet, arrow]) await verifiedPath(directory, file);
  });
  if (options.digestsOnly !== true) {
    const decoder = new ColumnarDecoder();
    try {
      await eachShard('verify', 1, manifest, options, (shard) =>
        verifyShard(directory, shard, manifest, decoder),
      );
    } finally {
      await decoder.close();
    }
  }
  const { rows, responseTokens, shards } = manifest;
  const bytes = filesOf(manifest).reduce((sum, file) => sum + file.bytes, 0);
  return { rows, responseTokens, shards: shards.length, bytes };
}

/** Shards whose files are opened and read while others are: opening a file of some 100 KB takes as long as its digest. */
const DIGESTS_AT_ONCE = 8;

/**
 * Checks several shards at a time; what is told is the first problem in their order.
 * @throws Interrupted between two shards.
 */
async function eachShard(
  stage: string,
  atOnce: number,
  { shards }: CacheManifest,
  { listener, signal }: VerifyOptions,
  check: (shard: CacheShard) => Promise<void>,
): Promise<void> {
  const meter = new ProgressMeter(stage, 'shards', shards.length);
  const running: Promise<void>[] = [];
  const oldest = async (): Promise<void> => {
    await running.shift();
    listener?.(meter.advance(1));
  };
  try {
    for (const shard of shards) {
      if (signal?.aborted === true)
        throw new Interrupted('stopped; nothing was changed', 'run the same command again');
      const checked = check(shard);
      // Whoever waits for it comes later.
      checked.catch(() => undefined);
      running.push(checked);
      if (running.length === atOnce) await oldest();
    }
    while (running.length > 0) await oldest();
  } finally {
    await Promise.allSettled(running);
  }
}

/** The lock is no part of the cache: a writer that finds it finished holds it for a moment, a killed one leaves it. */
async function refuseStrayFiles(directory: string, manifest: CacheManifest): Promise<void> {
  const named = new Set([MANIFEST_FILE, LOCK_FILE, ...filesOf(manifest).map((file) => file.name)]);
  const folders = new Set([...named].flatMap((name) => foldersOf(name)));
  try {
    for (const entry of await readdir(directory, { recursive: true })) {
      const name = entry.split(sep).join('/');
      const path = join(directory, entry);
      const found = await lstat(path);
      if (found.isFile() ? named.has(name) : found.isDirectory() && folders.has(name)) continue;
      throw new InputError('cache-stray-file', 'the cache holds something that its manifest does not name', {
        file: path,
        expected: 'only files that the manifest names',
        hint: 'delete it; if a killed sdpo score has left it, running that command again does so',
      });
    }
  } catch (error) {
    throw explainSystemError(error, directory);
  }
}

/** `a/b/c` lies in `a` and `a/b`. */
function foldersOf(name: string): string[] {
  const parts = name.split('/');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'));
}
