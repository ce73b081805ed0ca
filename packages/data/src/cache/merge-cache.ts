/** Closes a cache that several workers have filled. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  FolderLock,
  InputError,
  Interrupted,
  ProgressMeter,
  refuseLinkedFolder,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { cacheInputsSchema, type CacheInputs } from './cache-inputs.js';
import { closeCache } from './close-cache.js';
import {
  MANIFEST_FILE,
  damagedCache,
  readManifest,
  type CacheManifest,
  type CacheShard,
} from './manifest.js';
import {
  INPUTS_FILE,
  SHARDS_FOLDER,
  WORKERS_FILE,
  readInputs,
  removeHelpers,
  shardStem,
  wholeShard,
} from './unfinished-cache.js';
import { readEnding, workerCount } from './worker-part.js';

/** Shards that a message names. */
const MAX_NAMED = 20;
/** Missing shards after which the others are not looked for: an ending that was altered may promise any number of them. */
const MAX_MISSING = 10_000;

export interface MergedCache {
  manifest: CacheManifest;
  /** It was closed before this call. */
  alreadyComplete: boolean;
}

/**
 * Reads every shard through against its digest and publishes the manifest: the cache is then the one that a single pass makes, byte for
 * byte. Killed at any moment it leaves the cache open or closed; called again it does nothing more.
 * @throws InputError `cache-not-of-workers`, `cache-unfinished` while no worker has come to the end of the dataset, `shards-missing` naming
 *   them and their workers, `cache-busy`, `cache-damaged`, `not-a-folder` where its shards lie elsewhere; Interrupted when `signal` stopped it.
 */
export async function mergeCache(
  directory: string,
  listener?: ProgressListener,
  signal?: AbortSignal,
): Promise<MergedCache> {
  const names = await readdir(directory).catch(() => [] as string[]);
  if (!names.includes(MANIFEST_FILE) && !names.includes(WORKERS_FILE)) throw notOfWorkers(directory);
  await refuseLinkedFolder(join(directory, SHARDS_FOLDER));
  const lock = await FolderLock.acquire(directory, { code: 'cache-busy', what: 'cache' });
  try {
    // Another process may have closed it since the look from outside.
    if ((await readdir(directory)).includes(MANIFEST_FILE)) {
      const manifest = await readManifest(directory);
      await removeHelpers(directory);
      return { manifest, alreadyComplete: true };
    }
    const count = await workerCount(directory);
    const inputs = cacheInputsSchema.safeParse(await readInputs(directory));
    if (!inputs.success) throw damagedCache(INPUTS_FILE, 'other fields', 'what a worker has written');
    const ending = await readEnding(directory);
    if (ending === undefined) throw noEnding(directory, count);
    const { rowsPerShard } = inputs.data;
    const shards = await allShards(
      directory,
      inputs.data,
      Math.ceil(ending.pairs / rowsPerShard),
      count,
      listener,
      signal,
    );
    shards.forEach(({ rows }, index) => {
      const wanted = Math.min(rowsPerShard, ending.pairs - index * rowsPerShard);
      if (rows !== wanted)
        throw damagedCache(`${directory}/${shardStem(index)}.json`, `${rows} rows`, `${wanted}`);
    });
    return {
      manifest: await closeCache(directory, inputs.data, shards, ending.dropped),
      alreadyComplete: false,
    };
  } finally {
    await lock.release();
  }
}

async function allShards(
  directory: string,
  inputs: CacheInputs,
  wanted: number,
  count: number,
  listener: ProgressListener | undefined,
  signal: AbortSignal | undefined,
): Promise<CacheShard[]> {
  const meter = new ProgressMeter('merge', 'shards', wanted);
  const shards: CacheShard[] = [];
  const missing: number[] = [];
  for (let index = 0; index < wanted && missing.length < MAX_MISSING; index++) {
    if (signal?.aborted === true)
      throw new Interrupted('stopped; the cache is as it was', 'run the same command again');
    const shard = await wholeShard(directory, shardStem(index), inputs);
    if (shard === undefined) missing.push(index);
    else shards.push(shard);
    listener?.(meter.advance(1));
  }
  if (missing.length > 0) throw shardsMissing(directory, missing, wanted, count);
  return shards;
}

function shardsMissing(file: string, missing: number[], wanted: number, count: number): InputError {
  const listed = (numbers: readonly number[]) =>
    `${numbers.slice(0, MAX_NAMED).join(', ')}${numbers.length > MAX_NAMED ? ', …' : ''}`;
  const workers = [...new Set(missing.map((index) => index % count))].sort((a, b) => a - b);
  return new InputError('shards-missing', 'not all shards are there', {
    file,
    found: `${missing.length}${missing.length < MAX_MISSING ? '' : ' or more'} of ${wanted} missing or damaged: ${listed(missing)}`,
    expected: 'every shard as it was published',
    hint: `start again --shard-index ${listed(workers)} of --shard-count ${count}, then merge`,
  });
}

function noEnding(file: string, count: number): InputError {
  return new InputError('cache-unfinished', 'no worker has come to the end of the dataset yet', {
    file,
    expected: `${count} workers, --shard-index 0 to ${count - 1}`,
    hint: 'let them end, or start them again, then merge',
  });
}

function notOfWorkers(file: string): InputError {
  return new InputError('cache-not-of-workers', 'no workers have filled this folder', {
    file,
    expected: 'a folder that sdpo score --shard-index … has written',
  });
}
