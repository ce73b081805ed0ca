/**
 * What stands on disk of a cache that is still growing: `inputs.json`, and beside each published shard a sidecar with
 * its rows, sizes and digests. All of it is checked again by the next writer, and goes when the manifest is there.
 */
import { readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { explainSystemError, publishBytes, removeTemporaries } from '@selective-dpo/foundation';
import { z } from 'zod';
import { inputsDigest, type CacheInputs } from './cache-inputs.js';
import { shardSchema, verifiedPath, type CacheShard } from './manifest.js';
import { readSealed, sealedText } from './sealed-helper.js';

export const INPUTS_FILE = 'inputs.json';
export const SHARDS_FOLDER = 'shards';
/** There where several workers fill the cache: how many. */
export const WORKERS_FILE = 'workers.json';
/** What each worker publishes that came to the end of the dataset: pairs, and rows that gave none. */
export const ENDING_FILE = 'ending.json';

const SIDECAR_NAME = /^shard-\d{5,}\.json$/;

/** Path of a shard's files within the cache, without their endings. */
export function shardStem(index: number): string {
  return `${SHARDS_FOLDER}/shard-${String(index).padStart(5, '0')}`;
}

export async function publishInputs(directory: string, inputs: CacheInputs): Promise<void> {
  await publishBytes(join(directory, INPUTS_FILE), sealedText(inputs));
}

/** The inputs as they were published. @throws InputError `cache-damaged`, … */
export async function readInputs(directory: string): Promise<unknown> {
  return readSealed(join(directory, INPUTS_FILE));
}

/** What a sidecar says; with the digest of the inputs, so that no shard of another cache is ever taken for one of this. */
const sidecarSchema = shardSchema.extend({ inputs: z.string() });

/** From this moment the shard counts as published. */
export async function publishSidecar(
  directory: string,
  index: number,
  shard: CacheShard,
  inputs: CacheInputs,
): Promise<void> {
  await publishBytes(join(directory, `${shardStem(index)}.json`), sidecarText(shard, inputs));
}

/** The text of the sidecar of a shard. */
export function sidecarText(shard: CacheShard, inputs: CacheInputs): string {
  return sealedText({ ...shard, inputs: inputsDigest(inputs) });
}

/** Whether any shard was ever published, whole or damaged since. */
export async function hasPublishedShards(directory: string): Promise<boolean> {
  return (await readdir(join(directory, SHARDS_FOLDER))).some((name) => SIDECAR_NAME.test(name));
}

/** Shards of these inputs whose sidecar and both files are as they were published, in order; everything after them is removed. */
export async function wholeShards(directory: string, inputs: CacheInputs): Promise<CacheShard[]> {
  const shards: CacheShard[] = [];
  const kept = new Set<string>();
  for (;;) {
    const stem = shardStem(shards.length);
    const shard = await wholeShard(directory, stem, inputs);
    if (shard === undefined) break;
    shards.push(shard);
    for (const ending of ['json', 'parquet', 'arrow']) kept.add(basename(`${stem}.${ending}`));
  }
  const folder = join(directory, SHARDS_FOLDER);
  for (const name of await readdir(folder)) {
    if (!kept.has(name)) await rm(join(folder, name), { recursive: true });
  }
  return shards;
}

/** A shard of these inputs whose sidecar and both files are as they were published. */
export async function wholeShard(
  directory: string,
  stem: string,
  wanted: CacheInputs,
): Promise<CacheShard | undefined> {
  try {
    const sealed = await readSealed(join(directory, `${stem}.json`));
    const { inputs, ...shard } = sidecarSchema.parse(sealed);
    if (inputs !== inputsDigest(wanted)) return undefined;
    if (shard.parquet.name !== `${stem}.parquet` || shard.arrow.name !== `${stem}.arrow`) return undefined;
    await verifiedPath(directory, shard.parquet);
    await verifiedPath(directory, shard.arrow);
    return shard;
  } catch {
    // Absent, cut short, altered or of another cache: whatever the reason, the shard is made again.
    return undefined;
  }
}

/** Removes what only a growing cache needs. @throws InputError `read-only`, `no-permission`, … */
export async function removeHelpers(directory: string): Promise<void> {
  const folder = join(directory, SHARDS_FOLDER);
  try {
    for (const name of [ENDING_FILE, WORKERS_FILE, INPUTS_FILE])
      await rm(join(directory, name), { force: true });
    for (const name of await readdir(folder)) {
      if (SIDECAR_NAME.test(name)) await rm(join(folder, name), { force: true });
    }
    await removeTemporaries(directory);
    await removeTemporaries(folder);
  } catch (error) {
    throw explainSystemError(error, directory);
  }
}
