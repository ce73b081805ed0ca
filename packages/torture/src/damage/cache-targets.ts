/** Files of caches, finished and growing, and their readers. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CacheReader, MANIFEST_FILE, SHARDS_FOLDER, mergeCache, verifyCache } from '@selective-dpo/data';
import { canonicalJson, sha256 } from '@selective-dpo/foundation';
import type { DamageTarget } from './count-damage.js';

/**
 * @param cache a finished one.
 * @param parts one that workers have filled and nobody has closed.
 */
export async function cacheTargets(cache: string, parts: string): Promise<DamageTarget[]> {
  const shards = async (folder: string, ending: string) =>
    (await readdir(join(folder, SHARDS_FOLDER)))
      .filter((name) => name.endsWith(ending))
      .map((name) => `${SHARDS_FOLDER}/${name}`);
  const verified = { folder: cache, read: verifiedCache };
  const merged = { folder: parts, read: mergedCache, isChangedByReading: true };
  const arrow = await shards(cache, '.arrow');
  return [
    { ...verified, kind: 'manifest', files: [MANIFEST_FILE], faults: { flips: 2000, cuts: 300 } },
    {
      ...verified,
      kind: 'Parquet shards',
      files: await shards(cache, '.parquet'),
      faults: { flips: 2000, cuts: 300 },
    },
    { ...verified, kind: 'Arrow shards', files: arrow, faults: { flips: 1000, cuts: 150 } },
    {
      ...{ kind: 'Arrow shards, read row by row', folder: cache, files: arrow },
      ...{ read: readCache, faults: { flips: 1000, cuts: 150 } },
    },
    { ...verified, kind: 'list of dropped rows', files: ['dropped.jsonl'], faults: { flips: 400, cuts: 50 } },
    {
      ...{ ...merged, kind: 'helpers of a growing cache', faults: { flips: 1000, cuts: 250 } },
      files: ['inputs.json', 'workers.json', 'ending.json', ...(await shards(parts, '.json'))],
    },
  ];
}

async function verifiedCache(folder: string): Promise<string> {
  return canonicalJson(await verifyCache(folder));
}

async function readCache(folder: string): Promise<string> {
  const reader = await CacheReader.open(folder);
  try {
    const digests: string[] = [];
    for await (const { pairId, sourceRow, ...lists } of reader.rows()) {
      const values = Object.values(lists).filter((list) => ArrayBuffer.isView(list));
      const bytes = values.map((list) =>
        sha256(new Uint8Array(list.buffer, list.byteOffset, list.byteLength)),
      );
      digests.push(pairId, String(sourceRow), ...bytes);
    }
    return sha256(digests.join());
  } finally {
    await reader.close();
  }
}

async function mergedCache(folder: string): Promise<string> {
  await mergeCache(folder);
  return readFile(join(folder, MANIFEST_FILE), 'utf8');
}
