/** A small cache, and a manifest that fits whatever was done to it: digests prove nothing against who can compute them. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CACHE_SCHEMA_VERSION,
  CacheWriter,
  DROPPED_FILE,
  MANIFEST_FILE,
  type CacheInputs,
  type CacheManifest,
  type CacheRow,
} from '@selective-dpo/data';
import { SeededRandom, canonicalJson, parseShallowJson, sha256 } from '@selective-dpo/foundation';

export const ROWS_PER_SHARD = 20;
const VOCABULARY = 50_000;

/** Rows of varied lengths, the same in every call. */
export function cacheRows(count: number): CacheRow[] {
  const random = new SeededRandom(1);
  const ids = (n: number) => Int32Array.from({ length: n }, () => random.below(VOCABULARY));
  const logps = (n: number) => Float32Array.from({ length: n }, () => -8 * random.next());
  return Array.from({ length: count }, (_, i) => {
    const [p, c, r] = [random, random, random].map((one) => 1 + one.below(12)) as [number, number, number];
    return {
      ...{ pairId: `pair ${i}`, sourceRow: i, promptIds: ids(p), chosenIds: ids(c), rejectedIds: ids(r) },
      ...{ chosenRefLogps: logps(c), rejectedRefLogps: logps(r) },
    };
  });
}

/** Writes a cache of 30 rows in two shards. @returns its rows. */
export async function writeSmallCache(directory: string): Promise<CacheRow[]> {
  const digest = 'a'.repeat(64);
  const inputs: CacheInputs = {
    ...{ schemaVersion: CACHE_SCHEMA_VERSION, toolVersion: '0.0.0', rowsPerShard: ROWS_PER_SHARD },
    dataset: { sha256: digest, bytes: 10, layout: 'preference', limit: null },
    tokenizer: { tokenizer: digest, chatTemplate: 'none', chatTemplateNow: null, chatTemplateGiven: false },
    limits: { maxLength: 64, maxPromptLength: null, truncation: 'keep_start' },
    model: { weightsSha256: digest, configSha256: digest },
    scorer: { kind: 'local', batchTokens: 8 },
  };
  const rows = cacheRows(30);
  const writer = await CacheWriter.open(directory, inputs);
  try {
    for (let at = 0; at < rows.length; at += ROWS_PER_SHARD) {
      await writer.publishShard(rows.slice(at, at + ROWS_PER_SHARD));
    }
    await writeFile(join(directory, DROPPED_FILE), '{"row":7,"reason":"unreadable","detail":"x"}\n');
    await writer.finish({ unreadable: 1 });
  } finally {
    await writer.close();
  }
  return rows;
}

/** A manifest's text with the digest that it needs; what is no manifest stays as it is. */
export function resealed(text: string): string {
  let value: unknown;
  try {
    value = parseShallowJson(text);
  } catch {
    return text;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return text;
  const content = Object.fromEntries(Object.entries(value).filter(([key]) => key !== 'digest'));
  return `${JSON.stringify({ ...content, digest: sha256(canonicalJson(content)) }, null, 2)}\n`;
}

/** Puts another file in the place of one, and seals the manifest anew. */
export async function replaceFile(directory: string, name: string, content: Uint8Array): Promise<void> {
  await writeFile(join(directory, name), content);
  const path = join(directory, MANIFEST_FILE);
  const manifest = JSON.parse(await readFile(path, 'utf8')) as CacheManifest;
  for (const file of [
    ...manifest.shards.flatMap(({ parquet, arrow }) => [parquet, arrow]),
    manifest.droppedFile,
  ]) {
    if (file.name === name) Object.assign(file, { bytes: content.length, sha256: sha256(content) });
  }
  await writeFile(path, resealed(JSON.stringify(manifest)));
}
