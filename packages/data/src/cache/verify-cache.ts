/** Checks every byte and every value of a cache: digests, then Parquet and Arrow against each other. */
import { lstat, readdir } from 'node:fs/promises';
import { join, sep } from 'node:path';
import {
  InputError,
  LOCK_FILE,
  ProgressMeter,
  explainSystemError,
  openRegularFile,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { ArrowShard } from './arrow-shard.js';
import { sumLogps, type CacheRow } from './cache-row.js';
import { refuseOtherCounts } from './dropped-file.js';
import {
  MANIFEST_FILE,
  checkedPath,
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
 * @throws InputError `cache-damaged` naming the first file that is not what the manifest says, `cache-stray-file`,
 *   `cache-missing`, `cache-unfinished`, `cache-other-version`.
 */
export async function verifyCache(
  directory: string,
  listener?: ProgressListener,
): Promise<CacheVerification> {
  const manifest = await readManifest(directory);
  await refuseStrayFiles(directory, manifest);
  await refuseOtherCounts(await verifiedPath(directory, manifest.droppedFile), manifest.dropped);
  const meter = new ProgressMeter('verify', 'shards', manifest.shards.length);
  // All digests first: nothing is decoded of a cache that was damaged on its way.
  for (const { parquet, arrow } of manifest.shards) {
    for (const file of [parquet, arrow]) await verifiedPath(directory, file);
    listener?.(meter.advance(0));
  }
  for (const shard of manifest.shards) {
    await verifyShard(directory, shard, manifest);
    listener?.(meter.advance(1));
  }
  const { rows, responseTokens, shards } = manifest;
  const bytes = filesOf(manifest).reduce((sum, file) => sum + file.bytes, 0);
  return { rows, responseTokens, shards: shards.length, bytes };
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

async function verifyShard(
  directory: string,
  shard: CacheShard,
  { inputs: { topLogprobs }, recordBatchRows }: CacheManifest,
): Promise<void> {
  const parquetPath = await checkedPath(directory, shard.parquet);
  const arrowPath = await checkedPath(directory, shard.arrow);
  const parquet = await readParquetShard(parquetPath, shard.rows, topLogprobs !== undefined);
  if (parquet.length !== shard.rows)
    throw damagedCache(
      parquetPath,
      `${parquet.length > shard.rows ? 'more' : parquet.length} rows`,
      `${shard.rows} rows`,
    );
  const { handle, size } = await openRegularFile(arrowPath);
  const layout = { rows: shard.rows, recordBatchRows, topLogprobs };
  const arrow = await ArrowShard.open(handle, size, arrowPath, layout);
  try {
    let tokens = 0;
    for (let at = 0; at < shard.rows; at += recordBatchRows) {
      const [batch] = await arrow.recordBatches(at / recordBatchRows, 1);
      for (let i = 0; i < batch!.rows; i++) {
        const row = batch!.row(i);
        compareRows(row, parquet[at + i]!, parquetPath);
        tokens += row.chosenIds.length + row.rejectedIds.length;
      }
    }
    if (tokens !== shard.responseTokens)
      throw damagedCache(arrowPath, `${tokens} response tokens`, String(shard.responseTokens));
  } finally {
    await arrow.close();
  }
}

function compareRows(arrow: CacheRow, parquet: Partial<ParquetRow>, file: string): void {
  const lists: [string, ArrayLike<number>, ArrayLike<number | undefined> | undefined][] = [
    ['prompt_ids', arrow.promptIds, parquet.prompt_ids],
    ['chosen_ids', arrow.chosenIds, parquet.chosen_ids],
    ['rejected_ids', arrow.rejectedIds, parquet.rejected_ids],
    ['chosen_ref_logps', arrow.chosenRefLogps, parquet.chosen_ref_logps],
    ['rejected_ref_logps', arrow.rejectedRefLogps, parquet.rejected_ref_logps],
    ['source_row', [arrow.sourceRow], [parquet.source_row]],
    ['ref_chosen_logps', [sumLogps(arrow.chosenRefLogps)], [parquet.ref_chosen_logps]],
    ['ref_rejected_logps', [sumLogps(arrow.rejectedRefLogps)], [parquet.ref_rejected_logps]],
  ];
  if (arrow.refTop !== undefined) {
    lists.push(
      ['chosen_ref_top_ids', arrow.refTop.chosenIds, parquet.chosen_ref_top_ids],
      ['chosen_ref_top_logps', arrow.refTop.chosenLogps, parquet.chosen_ref_top_logps],
      ['rejected_ref_top_ids', arrow.refTop.rejectedIds, parquet.rejected_ref_top_ids],
      ['rejected_ref_top_logps', arrow.refTop.rejectedLogps, parquet.rejected_ref_top_logps],
    );
  }
  const differs = lists.find(([, a, b]) => !equalLists(a, b));
  if (differs === undefined && arrow.pairId === parquet.pair_id) return;
  throw damagedCache(
    file,
    `another ${differs?.[0] ?? 'pair_id'} in pair ${arrow.pairId}`,
    'the values of the Arrow file',
  );
}

/** @param b as decoded: a list that a file leaves out is undefined. */
function equalLists(a: ArrayLike<number>, b: ArrayLike<number | undefined> | undefined): boolean {
  if (a.length !== b?.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
