/**
 * One of several workers that fill one cache, on this host or others, in any order and more than once. Worker i of n makes the shards
 * whose number leaves i when divided by n, of the same pairs that a single pass puts into them, so the merged cache is that pass's, byte for
 * byte. Nobody is locked out: all that workers publish appears whole, and two of them with one index publish the same bytes.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  InputError,
  explainSystemError,
  kindOf,
  makeFolder,
  publishBytes,
  publishFirst,
  refuseLinkedFolder,
} from '@selective-dpo/foundation';
import { z } from 'zod';
import { normalInputs, refuseOtherInputs, type CacheInputs } from './cache-inputs.js';
import type { CacheRow } from './cache-row.js';
import { countsOf } from './close-cache.js';
import { refuseForeignFolder } from './foreign-folder.js';
import { MANIFEST_FILE, damagedCache, readManifest, type CacheManifest, type Rescored } from './manifest.js';
import { publishShardFiles } from './shard-files.js';
import {
  ENDING_FILE,
  INPUTS_FILE,
  SHARDS_FOLDER,
  WORKERS_FILE,
  readInputs,
  shardStem,
  wholeShard,
} from './unfinished-cache.js';
import { readSealed, sealedText } from './sealed-helper.js';

/** Which of how many. */
export interface WorkerIndex {
  /** From 0 to count − 1. */
  index: number;
  count: number;
}

const workersSchema = z.strictObject({
  count: z.int().min(1),
  /** The clock of a chat template that reads one: workers that start at one time render at one instant. */
  begunAt: z.iso.datetime(),
});
const endingSchema = z.strictObject({
  pairs: z.int().min(1),
  dropped: z.record(z.string(), z.int().min(1)),
});

/** The end of the dataset, as every worker finds it. */
export type Ending = z.infer<typeof endingSchema>;

export class WorkerPart {
  private published = 0;

  private constructor(
    private readonly directory: string,
    private readonly inputs: CacheInputs,
    private readonly worker: WorkerIndex,
    /** The manifest of a cache that is finished already. */
    readonly complete: CacheManifest | undefined,
  ) {}

  /**
   * Opens a folder for one worker: a new one, or one that other workers of the same inputs and the same number fill.
   * @throws InputErrors `cache-inputs-differ`; InputError `cache-workers-differ`, `cache-of-one-writer`, `folder-in-use`, `disk-full`, …
   */
  static async open(directory: string, inputs: CacheInputs, worker: WorkerIndex): Promise<WorkerPart> {
    const normal = normalInputs(inputs);
    await beginWorkers(directory, worker.count, new Date());
    if (await isClosed(directory)) {
      const manifest = await readManifest(directory);
      refuseOtherInputs(manifest.inputs, normal, directory);
      return new WorkerPart(directory, normal, worker, manifest);
    }
    await publishFirst(join(directory, INPUTS_FILE), sealedText(normal));
    refuseOtherInputs(await readInputs(directory), normal, directory);
    await makeFolder(join(directory, SHARDS_FOLDER));
    return new WorkerPart(directory, normal, worker, undefined);
  }

  /** Shards published by this worker. */
  get shards(): number {
    return this.published;
  }

  /** Whether shard `index` is this worker's and not there yet. */
  async wants(index: number): Promise<boolean> {
    if (index % this.worker.count !== this.worker.index || (await isClosed(this.directory))) return false;
    return (await wholeShard(this.directory, shardStem(index), this.inputs)) === undefined;
  }

  /**
   * Publishes one of its shards, unless another worker with this index has done so since, or the cache was closed: on another
   * processor the last bits may be others, and a shard that counts is left as it is.
   * @throws as {@link publishShardFiles}.
   */
  async publishShard(index: number, rows: readonly CacheRow[], rescored?: Rescored): Promise<void> {
    if (!(await this.wants(index))) return;
    await publishShardFiles(this.directory, index, rows, this.inputs, rescored);
    this.published++;
  }

  /**
   * Tells where the dataset ended; its list of dropped rows is in the folder. Every worker finds the same. A closed cache is
   * told nothing.
   * @throws InputError of the file system.
   */
  async finish(pairs: number, dropped: Partial<Record<string, number>>): Promise<void> {
    if (await isClosed(this.directory)) return;
    const ending: Ending = { pairs, dropped: countsOf(dropped) };
    await publishBytes(join(this.directory, ENDING_FILE), sealedText(ending));
  }
}

/**
 * Makes a folder one that `count` workers fill, where it is not yet. A closed cache is left as it is.
 * @param instant of the chat template's clock, if this worker is the first.
 * @returns the instant of all of them.
 * @throws InputError `cache-workers-differ`, `cache-of-one-writer`, `folder-in-use`, `disk-full`, …
 */
export async function beginWorkers(directory: string, count: number, instant: Date): Promise<Date> {
  await refuseForeignFolder(directory);
  await makeFolder(directory);
  const names = await readdir(directory).catch((error: unknown) => {
    throw explainSystemError(error, directory);
  });
  if (names.includes(MANIFEST_FILE)) return instant;
  await refuseLinkedFolder(join(directory, SHARDS_FOLDER));
  if (names.includes(INPUTS_FILE) && !names.includes(WORKERS_FILE)) throw ofOneWriter(directory);
  // The number first: a single writer that comes in between sees whose folder it is.
  const file = join(directory, WORKERS_FILE);
  await publishFirst(file, sealedText({ count, begunAt: instant.toISOString() }));
  const there = await helper(file, workersSchema);
  if (there.count !== count) throw otherCount(directory, there.count, count);
  return new Date(there.begunAt);
}

async function isClosed(directory: string): Promise<boolean> {
  return (await kindOf(join(directory, MANIFEST_FILE))) !== undefined;
}

/** How many workers fill a cache. @throws InputError `cache-damaged`, `file-not-found`. */
export async function workerCount(directory: string): Promise<number> {
  return (await helper(join(directory, WORKERS_FILE), workersSchema)).count;
}

/** Where the dataset ended; undefined while no worker has come to its end. @throws InputError `cache-damaged`. */
export async function readEnding(directory: string): Promise<Ending | undefined> {
  try {
    return await helper(join(directory, ENDING_FILE), endingSchema);
  } catch (error) {
    if (error instanceof InputError && error.code === 'file-not-found') return undefined;
    throw error;
  }
}

async function helper<Schema extends z.ZodType>(file: string, schema: Schema): Promise<z.infer<Schema>> {
  const checked = schema.safeParse(await readSealed(file));
  if (checked.success) return checked.data;
  throw damagedCache(file, 'other fields', 'what a worker has written');
}

function otherCount(file: string, found: number, wanted: number): InputError {
  return new InputError('cache-workers-differ', 'another number of workers fills this cache', {
    file,
    field: '--shard-count',
    found: String(wanted),
    expected: String(found),
    hint: 'give all workers one --shard-count, or choose another --out',
  });
}

function ofOneWriter(file: string): InputError {
  return new InputError('cache-of-one-writer', 'a single pass has begun this cache', {
    file,
    hint: 'go on without --shard-index, or choose another --out for several workers',
  });
}
