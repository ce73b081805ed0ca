/**
 * `manifest.json`: written last, it names every file of the cache with size and SHA-256. It carries its own digest and
 * has exactly one serialisation, so that a single flipped bit in it is seen. A file it does not name does not exist.
 */
import { lstat, realpath, type FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  InputError,
  canonicalJson,
  explainSystemError,
  openRegularFile,
  parseShallowJson,
  publishBytes,
  quoteValue,
  readRegularFile,
  resolveInside,
  sha256,
  sha256OfFile,
  sha256OfHandle,
} from '@selective-dpo/foundation';
import { z } from 'zod';
import { CACHE_SCHEMA_VERSION, cacheInputsSchema } from './cache-inputs.js';

export const MANIFEST_FILE = 'manifest.json';
export const DROPPED_FILE = 'dropped.jsonl';

const MAX_MANIFEST_BYTES = 256 << 20;
/** Each takes some 430 bytes of the manifest, 510 where pairs were asked for twice. */
const MAX_SHARDS = 500_000;
const MAX_RECORD_BATCH_ROWS = 65_536;
/**
 * Bytes that a row takes in an Arrow file at least: source row 4, sums 16, pair id 5 with its offset, and five lists of
 * an offset and an element of 4 bytes each.
 */
const MIN_ROW_BYTES = 65;

const fileSchema = z.strictObject({
  name: z.string(),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const rescoredSchema = z.strictObject({
  pairs: z.int().min(1),
  /** Between the two log-probs of a token, in nats. */
  greatestDifference: z.number().min(0),
});

export const shardSchema = z.strictObject({
  rows: z.int().min(1),
  responseTokens: z.int().min(2),
  parquet: fileSchema,
  arrow: fileSchema,
  /** Pairs that a server was asked for twice; absent where none was. */
  rescored: rescoredSchema.optional(),
});

const manifestSchema = z.strictObject({
  inputs: cacheInputsSchema,
  rows: z.int().min(1),
  responseTokens: z.int().min(2),
  /** Rows in a record batch of the Arrow files; the last of a shard may have fewer. */
  recordBatchRows: z.int().min(1).max(MAX_RECORD_BATCH_ROWS),
  shards: z.array(shardSchema).min(1),
  /** Rows of the dataset that gave no pair, by reason. */
  dropped: z.record(z.string(), z.int().min(1)),
  droppedFile: fileSchema,
  /** SHA-256 of the canonical JSON of all other fields. */
  digest: z.string(),
});

export type CacheManifest = z.infer<typeof manifestSchema>;
export type CacheShard = z.infer<typeof shardSchema>;
export type Rescored = z.infer<typeof rescoredSchema>;
export type CacheFile = z.infer<typeof fileSchema>;

/** Completes a manifest with its digest. */
export function sealManifest(content: Omit<CacheManifest, 'digest'>): CacheManifest {
  return { ...content, digest: sha256(canonicalJson(content)) };
}

function serialise(manifest: CacheManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/**
 * Refuses a dataset of more shards than a manifest may name, before any of them is scored.
 * @param rows of the dataset, those that will give no pair among them.
 * @throws InputError `too-many-shards`.
 */
export function refuseManyShards(file: string, rows: number, rowsPerShard: number): void {
  const shards = Math.ceil(rows / rowsPerShard);
  if (shards <= MAX_SHARDS) return;
  throw new InputError('too-many-shards', 'the dataset would become more shards than a cache may have', {
    file,
    field: '--rows-per-shard',
    found: `${rowsPerShard}: ${shards} shards for ${rows} rows`,
    expected: `at most ${MAX_SHARDS} shards`,
    hint: `give at least --rows-per-shard ${Math.ceil(rows / MAX_SHARDS)}; some thousand are better`,
  });
}

/** Publishes the manifest: from this moment the folder is a finished cache. */
export async function publishManifest(directory: string, manifest: CacheManifest): Promise<void> {
  await publishBytes(join(directory, MANIFEST_FILE), serialise(manifestSchema.parse(manifest)));
}

/**
 * Reads and checks the manifest of a cache.
 * @throws InputError `cache-missing`, `cache-unfinished`, `cache-other-version`, `cache-damaged`.
 */
export async function readManifest(directory: string): Promise<CacheManifest> {
  const file = join(directory, MANIFEST_FILE);
  const text = await readManifestText(directory, file);
  let value: unknown;
  try {
    value = parseShallowJson(text);
  } catch {
    throw damagedCache(file, 'text that is not JSON', 'the manifest as it was written');
  }
  refuseOtherVersion(value, file);
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw damagedCache(file, `${issue.path.join('.')}: ${issue.message}`, 'the manifest as it was written');
  }
  const { digest, ...content } = parsed.data;
  if (sha256(canonicalJson(content)) !== digest || serialise(parsed.data) !== text) {
    throw damagedCache(file, 'content that differs from what was written', 'the manifest as it was written');
  }
  refuseContradictions(parsed.data, file);
  return parsed.data;
}

async function readManifestText(directory: string, file: string): Promise<string> {
  try {
    const found = await lstat(file);
    if (!found.isFile()) throw damagedCache(file, 'something that is no regular file', 'a regular file');
    return (await readRegularFile(file, MAX_MANIFEST_BYTES)).toString('utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw explainSystemError(error, file);
  }
  const unfinished = await lstat(join(directory, 'inputs.json')).catch(() => undefined);
  throw unfinished === undefined
    ? new InputError('cache-missing', 'there is no reference cache in this folder', {
        file: directory,
        expected: MANIFEST_FILE,
        hint: 'make one with: sdpo score',
      })
    : new InputError('cache-unfinished', 'the cache is not finished', {
        file: directory,
        expected: MANIFEST_FILE,
        hint: 'run the sdpo score command that began it again, which goes on after the last published shard; what several workers have filled is closed by sdpo cache merge',
      });
}

/** A cache of a later version is not damaged, and its user needs to hear something else. */
function refuseOtherVersion(manifest: unknown, file: string): void {
  const version = z
    .object({ inputs: z.object({ schemaVersion: z.number() }) })
    .transform(({ inputs }) => inputs.schemaVersion)
    .safeParse(manifest).data;
  if (version === undefined || version === CACHE_SCHEMA_VERSION) return;
  throw new InputError('cache-other-version', 'the cache is of a version that this program does not read', {
    file,
    field: 'inputs.schemaVersion',
    found: String(version),
    expected: String(CACHE_SCHEMA_VERSION),
    hint: 'use the version of selective-dpo that made it, or score the dataset again',
  });
}

function refuseContradictions(manifest: CacheManifest, file: string): void {
  const { rows, responseTokens, shards } = manifest;
  const names = filesOf(manifest).map(({ name }) => name);
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw damagedCache(file, `${quoteValue(name)} named twice`, 'each file once');
    seen.add(name);
  }
  const crowded = shards.find((shard) => shard.rows * MIN_ROW_BYTES > shard.arrow.bytes);
  if (crowded !== undefined) {
    const { rows: claimed, arrow } = crowded;
    throw damagedCache(
      file,
      `${claimed} rows in an Arrow file of ${arrow.bytes} bytes`,
      'at most one in 65 bytes',
    );
  }
  const sum = (pick: (shard: CacheShard) => number) =>
    shards.reduce((total, shard) => total + pick(shard), 0);
  if (sum((s) => s.rows) !== rows || sum((s) => s.responseTokens) !== responseTokens) {
    throw damagedCache(
      file,
      'totals that are not the sums over the shards',
      'the manifest as it was written',
    );
  }
}

/** All that asking a server twice has given; undefined where no pair was. */
export function rescoredOf({ shards }: Pick<CacheManifest, 'shards'>): Rescored | undefined {
  const all = shards.flatMap(({ rescored }) => rescored ?? []);
  if (all.length === 0) return undefined;
  return {
    pairs: all.reduce((sum, { pairs }) => sum + pairs, 0),
    greatestDifference: all.reduce((most, one) => Math.max(most, one.greatestDifference), 0),
  };
}

/** All files the manifest names. */
export function filesOf(manifest: CacheManifest): CacheFile[] {
  return [...manifest.shards.flatMap((shard) => [shard.parquet, shard.arrow]), manifest.droppedFile];
}

/** Path of a file the manifest names, once it is a regular file of the size named. @throws InputError. */
export async function checkedPath(directory: string, file: CacheFile): Promise<string> {
  const path = resolveInside(directory, file.name, join(directory, MANIFEST_FILE));
  let found;
  try {
    found = await lstat(path);
    const real = resolve(await realpath(directory), file.name);
    if ((await realpath(path)) !== real) throw damagedCache(path, 'a symbolic link', 'a regular file');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw damagedCache(path, 'no such file', `a file of ${file.bytes} bytes`);
    }
    throw explainSystemError(error, path);
  }
  if (!found.isFile()) throw damagedCache(path, 'something that is no regular file', 'a regular file');
  if (found.size !== file.bytes) throw damagedCache(path, `${found.size} bytes`, `${file.bytes} bytes`);
  return path;
}

/** Path of a file whose content has the digest the manifest names. @throws InputError `cache-damaged`. */
export async function verifiedPath(directory: string, file: CacheFile): Promise<string> {
  const path = await checkedPath(directory, file);
  const { handle } = await openRegularFile(path);
  try {
    await refuseOtherDigest(handle, path, file);
  } finally {
    await handle.close();
  }
  return path;
}

/** Reads an open file through. @throws InputError `cache-damaged` for another digest than the manifest names. */
export async function refuseOtherDigest(handle: FileHandle, path: string, file: CacheFile): Promise<void> {
  const found = await sha256OfHandle(handle, path);
  if (found !== file.sha256) throw damagedCache(path, `SHA-256 ${found}`, `SHA-256 ${file.sha256}`);
}

/** Name, size and digest of a file of the cache as it is. @throws InputError `file-not-found`, … */
export async function describeFile(directory: string, name: string): Promise<CacheFile> {
  const path = join(directory, name);
  try {
    return { name, bytes: (await lstat(path)).size, sha256: await sha256OfFile(path) };
  } catch (error) {
    throw explainSystemError(error, path);
  }
}

export function damagedCache(file: string, found: string, expected: string): InputError {
  return new InputError('cache-damaged', 'the cache is damaged', {
    file,
    found,
    expected,
    hint: 'restore the file from a copy, or delete the cache and score again',
  });
}
