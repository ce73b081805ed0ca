/** Checks every byte and every value of a cache: digests, then Parquet and Arrow against each other. */
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ProgressMeter, explainSystemError, type ProgressListener } from '@selective-dpo/foundation';
import { ArrowShard } from './arrow-shard.js';
import { sumLogps, type CacheRow } from './cache-row.js';
import {
  MANIFEST_FILE,
  damagedCache,
  filesOf,
  readManifest,
  verifiedPath,
  type CacheManifest,
  type CacheShard,
} from './manifest.js';
import { readParquetShard, type ParquetRow } from './parquet-shard.js';

export interface CacheVerification {
  rows: number;
  responseTokens: number;
  shards: number;
  bytes: number;
}

/**
 * Verifies a finished cache. Memory: one shard.
 * @throws InputError `cache-damaged` naming the first file that is not what the manifest says, and as `readManifest`.
 */
export async function verifyCache(
  directory: string,
  listener?: ProgressListener,
): Promise<CacheVerification> {
  const manifest = await readManifest(directory);
  await refuseStrayFiles(directory, manifest);
  await verifiedPath(directory, manifest.droppedFile);
  const meter = new ProgressMeter('verify', 'shards', manifest.shards.length);
  for (const shard of manifest.shards) {
    await verifyShard(directory, shard, manifest.recordBatchRows);
    listener?.(meter.advance(1));
  }
  const { rows, responseTokens, shards } = manifest;
  const bytes = filesOf(manifest).reduce((sum, file) => sum + file.bytes, 0);
  return { rows, responseTokens, shards: shards.length, bytes };
}

async function refuseStrayFiles(directory: string, manifest: CacheManifest): Promise<void> {
  const named = new Set([MANIFEST_FILE, ...filesOf(manifest).map((file) => file.name)]);
  const folders = new Set(
    [...named].flatMap((name) => (name.includes('/') ? [name.slice(0, name.indexOf('/'))] : [])),
  );
  try {
    for (const name of await readdir(directory, { recursive: true })) {
      const path = join(directory, name);
      if (named.has(name) || (folders.has(name) && (await lstat(path)).isDirectory())) continue;
      throw damagedCache(path, 'a file that the manifest does not name', 'only files that it names');
    }
  } catch (error) {
    throw explainSystemError(error, directory);
  }
}

async function verifyShard(directory: string, shard: CacheShard, recordBatchRows: number): Promise<void> {
  const parquetPath = await verifiedPath(directory, shard.parquet);
  const arrowPath = await verifiedPath(directory, shard.arrow);
  const parquet = await readParquetShard(parquetPath);
  const arrow = await ArrowShard.open(await open(arrowPath, 'r'), arrowPath);
  try {
    if (parquet.length !== shard.rows)
      throw damagedCache(parquetPath, `${parquet.length} rows`, `${shard.rows} rows`);
    let at = 0;
    let tokens = 0;
    for (let batch = 0; at < shard.rows; batch++) {
      const rows = await arrow.rows(batch);
      if (rows.length !== Math.min(recordBatchRows, shard.rows - at)) {
        throw damagedCache(arrowPath, `${rows.length} rows in batch ${batch}`, `${recordBatchRows}`);
      }
      for (const row of rows) {
        compareRows(row, parquet[at++]!, parquetPath);
        tokens += row.chosenIds.length + row.rejectedIds.length;
      }
    }
    if (tokens !== shard.responseTokens)
      throw damagedCache(arrowPath, `${tokens} tokens`, `${shard.responseTokens}`);
  } finally {
    await arrow.close();
  }
}

function compareRows(arrow: CacheRow, parquet: ParquetRow, file: string): void {
  const lists: [string, ArrayLike<number>, ArrayLike<number>][] = [
    ['prompt_ids', arrow.promptIds, parquet.prompt_ids],
    ['chosen_ids', arrow.chosenIds, parquet.chosen_ids],
    ['rejected_ids', arrow.rejectedIds, parquet.rejected_ids],
    ['chosen_ref_logps', arrow.chosenRefLogps, parquet.chosen_ref_logps],
    ['rejected_ref_logps', arrow.rejectedRefLogps, parquet.rejected_ref_logps],
    ['source_row', [arrow.sourceRow], [parquet.source_row]],
    ['ref_chosen_logps', [sumLogps(arrow.chosenRefLogps)], [parquet.ref_chosen_logps]],
    ['ref_rejected_logps', [sumLogps(arrow.rejectedRefLogps)], [parquet.ref_rejected_logps]],
  ];
  const differs = lists.find(
    ([, a, b]) => a.length !== b.length || Array.from(a).some((value, i) => value !== b[i]),
  );
  if (differs === undefined && arrow.pairId === parquet.pair_id) return;
  throw damagedCache(
    file,
    `another ${differs?.[0] ?? 'pair_id'} in pair ${arrow.pairId}`,
    'the values of the Arrow file',
  );
}
