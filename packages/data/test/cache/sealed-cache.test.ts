/** Caches whose manifest agrees with their files, made by somebody who wishes the reader no good. */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { CacheReader, cacheInfo, verifyCache } from '../../src/cache/index.js';
import {
  describeFile,
  publishManifest,
  readManifest,
  sealManifest,
  type CacheManifest,
} from '../../src/cache/manifest.js';
import { inputErrorOf } from '../rows/temporary-folder.js';
import { freshFolder, sampleRows, writeCache } from './sample-cache.js';

let finished: string;
beforeAll(async () => {
  finished = await freshFolder();
  await writeCache(finished, sampleRows(50));
});

/** A copy with the file `name` changed, and a manifest that fits it once `alter` has changed that too. */
async function sealed(
  name: string,
  change: (content: Buffer) => Buffer | string,
  alter: (manifest: CacheManifest) => void = () => undefined,
): Promise<string> {
  const copy = await freshFolder();
  await cp(finished, copy, { recursive: true });
  await writeFile(join(copy, name), change(await readFile(join(copy, name))));
  const manifest = await readManifest(copy);
  const described = await describeFile(copy, name);
  for (const shard of manifest.shards) {
    if (shard.parquet.name === name) shard.parquet = described;
    if (shard.arrow.name === name) shard.arrow = described;
  }
  if (manifest.droppedFile.name === name) manifest.droppedFile = described;
  alter(manifest);
  const { digest, ...content } = manifest;
  expect(digest).toMatch(/^[0-9a-f]{64}$/);
  await publishManifest(copy, sealManifest(content));
  return copy;
}

const ARROW = 'shards/shard-00001.arrow';

describe('a sealed manifest', () => {
  it.each([4e9, 1e12, 7000])('of %d rows is refused when the cache is opened', async (rows) => {
    const copy = await sealed(
      ARROW,
      (content) => content,
      (manifest) => {
        manifest.rows += rows - manifest.shards[1]!.rows;
        manifest.shards[1]!.rows = rows;
      },
    );
    for (const use of [() => CacheReader.open(copy), () => cacheInfo(copy), () => verifyCache(copy)]) {
      expect((await inputErrorOf(use)).code).toBe('cache-damaged');
    }
  });

  it('of one row more than there are is refused when the shard is read; the sealing itself changes nothing', async () => {
    const copy = await sealed(
      ARROW,
      (content) => content,
      (manifest) => {
        manifest.rows++;
        manifest.shards[1]!.rows++;
      },
    );
    expect((await inputErrorOf(() => cacheInfo(copy))).code).toBe('cache-damaged');
    const same = await sealed(ARROW, (content) => content);
    expect((await verifyCache(same)).rows).toBe(50);
  });
});

describe('a sealed list of dropped rows', () => {
  const line = '{"row":7,"reason":"unreadable","detail":"x"}\n';

  it.each<[string, string]>([
    ['a line without end', `${line.slice(0, -3)}${'x'.repeat(2 << 20)}`],
    ['more rows than are named', line.repeat(2)],
    ['a reason that is not named', line.replace('unreadable', 'identical')],
    ['lists inside one another', `{"row":7,"reason":"unreadable","detail":${'['.repeat(1e5)}`],
    ['fewer rows than are named', ''],
  ])('with %s is refused', async (_, text) => {
    const copy = await sealed('dropped.jsonl', () => text);
    const error = await inputErrorOf(() => verifyCache(copy));
    expect(error.code).toBe('cache-damaged');
    expect(error.details.file).toContain('dropped.jsonl');
  });

  it('as it was is taken', async () => {
    expect((await verifyCache(await sealed('dropped.jsonl', () => line))).rows).toBe(50);
  });
});
