import { cp, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CacheWriter, readManifest } from '@selective-dpo/data';
import { beforeAll, describe, expect, it } from 'vitest';
import { CacheDatabase, cacheStatistics, loadDuckDB } from '../src/index.js';
import { freshFolder, writeCache } from '../../data/test/cache/sample-cache.js';
import { plantedRows } from './planted-cache.js';

let whole: string;

beforeAll(async () => {
  whole = join(await freshFolder(), 'cache');
  await writeCache(whole, plantedRows());
});

async function copyOf(): Promise<{ directory: string; shard: string }> {
  const directory = join(await freshFolder(), 'copy');
  await cp(whole, directory, { recursive: true });
  return { directory, shard: join(directory, 'shards', 'shard-00001.parquet') };
}

async function problemOf(
  directory: string,
  verify = false,
): Promise<{ code?: string; details?: { file?: string } }> {
  try {
    const cache = await CacheDatabase.open(directory, { verify });
    try {
      await cacheStatistics(cache);
    } finally {
      await cache.close();
    }
    return {};
  } catch (error) {
    return error as { code?: string };
  }
}

describe('a cache that nobody has checked', () => {
  it('is read where it is whole (control)', async () => {
    expect(await problemOf(whole, true)).toEqual({});
  });

  it('is refused with a shard cut short, missing, or a link', async () => {
    const cut = await copyOf();
    await truncate(cut.shard, 100);
    expect(await problemOf(cut.directory)).toMatchObject({
      code: 'cache-damaged',
      details: { file: cut.shard },
    });
    const missing = await copyOf();
    await rm(missing.shard);
    expect(await problemOf(missing.directory)).toMatchObject({ code: 'cache-damaged' });
    const linked = await copyOf();
    await rename(linked.shard, `${linked.directory}-moved`);
    await symlink(`${linked.directory}-moved`, linked.shard);
    expect(await problemOf(linked.directory)).toMatchObject({ code: 'cache-damaged' });
  });

  it('is refused with other bytes of the same length: by digests, else by what they decode to', async () => {
    const { directory, shard } = await copyOf();
    const bytes = await readFile(shard);
    await writeFile(shard, new Uint8Array(bytes.length).fill(7));
    expect(await problemOf(directory, true)).toMatchObject({
      code: 'cache-damaged',
      details: { file: shard },
    });
    expect(await problemOf(directory)).toMatchObject({ code: 'cache-damaged' });
    // A shard of another pair count in this one's place is not noticed by its size: that is what the counts are for.
    const first = await readFile(join(directory, 'shards', 'shard-00000.parquet'));
    const padded = Buffer.alloc(bytes.length);
    first.copy(padded, Math.max(0, bytes.length - first.length), Math.max(0, first.length - bytes.length));
    await writeFile(shard, padded);
    expect(await problemOf(directory)).toMatchObject({ code: 'cache-damaged' });
  });

  it('is named where there is none, or none that is finished', async () => {
    expect(await problemOf(await freshFolder())).toMatchObject({ code: 'cache-missing' });
    const directory = join(await freshFolder(), 'unfinished');
    const { inputs } = await readManifest(whole);
    await (await CacheWriter.open(directory, inputs)).close();
    expect(await problemOf(directory)).toMatchObject({ code: 'cache-unfinished' });
  });
});

describe('DuckDB', () => {
  it('is asked for by name where it is missing', async () => {
    const broken = () => Promise.reject(new Error("Cannot find module '@duckdb/node-bindings-plan9'\nat …"));
    await expect(loadDuckDB(broken)).rejects.toMatchObject({
      code: 'duckdb-missing',
      details: { found: "Cannot find module '@duckdb/node-bindings-plan9'" },
    });
    expect(await loadDuckDB()).toHaveProperty('DuckDBInstance');
  });
});
