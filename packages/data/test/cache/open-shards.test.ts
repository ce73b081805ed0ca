/** A cache of more shards than a reader holds open: it comes back to those that it has closed. */
import { cp, rename, utimes, writeFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { permutation } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import { CacheReader, CacheWriter, DROPPED_FILE, type CacheRow } from '../../src/cache/index.js';
import { inputErrorOf } from '../rows/temporary-folder.js';
import { freshFolder, sampleInputs, sampleRows } from './sample-cache.js';

const SHARDS = 300;
const rows = sampleRows(SHARDS, 5, 6);
let cache: string;

beforeAll(async () => {
  cache = await freshFolder();
  const writer = await CacheWriter.open(cache, sampleInputs({ rowsPerShard: 1 }));
  for (const row of rows) await writer.publishShard([row]);
  await writeFile(join(cache, DROPPED_FILE), '');
  await writer.finish({});
  await writer.close();
});

const arrowOf = (folder: string, shard: number) =>
  join(folder, `shards/shard-${String(shard).padStart(5, '0')}.arrow`);

/** Reads every shard but the last 40, so that shard 0 has long been closed, then asks for row 0 again. */
async function backTo(folder: string, change: () => Promise<void>): Promise<CacheRow> {
  const reader = await CacheReader.open(folder);
  try {
    for (let index = 0; index < SHARDS - 40; index++) await reader.row(index);
    await change();
    return await reader.row(0);
  } finally {
    await reader.close();
  }
}

describe('a reader that comes back to a shard that it has closed', () => {
  it('gives the same rows, in any order and more than once', async () => {
    const reader = await CacheReader.open(cache);
    for (const seed of [1, 2]) {
      const order = permutation(SHARDS, seed);
      const wanted = Array.from(order, (index) => rows[index]!);
      const read: CacheRow[] = [];
      for await (const row of reader.rows(order)) read.push(row);
      expect(read).toEqual(wanted);
    }
    await reader.close();
  });

  it.each<[string, (path: string) => Promise<void>]>([
    [
      'was written to',
      async (path) => {
        const bytes = await readFile(path);
        bytes[bytes.length >> 1]! ^= 1;
        await writeFile(path, bytes);
        await utimes(path, 1e9, 1e9);
      },
    ],
    ['has become another file', (path) => rename(arrowOf(join(path, '../..'), 1), path)],
  ])('refuses it where it %s', async (_, change) => {
    const copy = await freshFolder();
    await cp(cache, copy, { recursive: true });
    const error = await inputErrorOf(() => backTo(copy, () => change(arrowOf(copy, 0))));
    expect([error.code, error.details.file]).toEqual(['cache-damaged', arrowOf(copy, 0)]);
  });

  it('takes a copy of it, whose digest is right', async () => {
    const copy = await freshFolder();
    await cp(cache, copy, { recursive: true });
    const again = await backTo(copy, async () => {
      await cp(arrowOf(cache, 0), `${arrowOf(copy, 0)}.new`);
      await rename(`${arrowOf(copy, 0)}.new`, arrowOf(copy, 0));
    });
    expect(again).toEqual(rows[0]);
  });
});
