/** The last step of every way to a cache: the manifest over shards that are all there. */
import { join } from 'node:path';
import { RECORD_BATCH_ROWS } from './arrow-encode.js';
import type { CacheInputs } from './cache-inputs.js';
import { refuseOtherCounts } from './dropped-file.js';
import {
  DROPPED_FILE,
  describeFile,
  publishManifest,
  sealManifest,
  type CacheManifest,
  type CacheShard,
} from './manifest.js';
import { removeHelpers } from './unfinished-cache.js';

/**
 * Publishes the manifest and removes what only a growing cache needs.
 * @param shards all of them, in order.
 * @param dropped counts of rows left out by reason; their list is `dropped.jsonl`, already in the folder.
 * @throws InputError `cache-damaged` if that list says otherwise; `file-not-found`, `disk-full`, …
 */
export async function closeCache(
  directory: string,
  inputs: CacheInputs,
  shards: CacheShard[],
  dropped: Partial<Record<string, number>>,
): Promise<CacheManifest> {
  if (shards.length === 0) throw new RangeError('a cache has at least one shard');
  const counts = countsOf(dropped);
  await refuseOtherCounts(join(directory, DROPPED_FILE), counts);
  const manifest = sealManifest({
    inputs,
    rows: shards.reduce((sum, shard) => sum + shard.rows, 0),
    responseTokens: shards.reduce((sum, shard) => sum + shard.responseTokens, 0),
    recordBatchRows: RECORD_BATCH_ROWS,
    shards,
    dropped: counts,
    droppedFile: await describeFile(directory, DROPPED_FILE),
  });
  await publishManifest(directory, manifest);
  await removeHelpers(directory);
  return manifest;
}

/** Counts above 0, in the order of their reasons. */
export function countsOf(dropped: Partial<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(dropped)
      .filter((entry): entry is [string, number] => entry[1]! > 0)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
