/** Caches whose manifest agrees with their files, made by somebody who wishes the reader no good. */
import { execFileSync } from 'node:child_process';
import { cp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  CacheReader,
  CacheWriter,
  cacheInfo,
  templateInstantOf,
  verifyCache,
} from '../../src/cache/index.js';
import {
  describeFile,
  publishManifest,
  readManifest,
  sealManifest,
  type CacheManifest,
} from '../../src/cache/manifest.js';
import { ColumnarDecoder } from '../../src/rows/columnar-rows.js';
import { decodedRows } from '../../src/cache/foreign-decoding.js';
import { sealedText } from '../../src/cache/sealed-helper.js';
import { CACHE_COLUMNS } from '../../src/cache/parquet-shard.js';
import { collect, inputErrorOf, temporaryFolder } from '../rows/temporary-folder.js';
import { freshFolder, sampleInputs, sampleRows, writeCache } from './sample-cache.js';

const write = temporaryFolder();
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

describe('a sealed manifest that names files elsewhere', () => {
  /** The bytes that are named are right wherever they lie: only the place is wrong. */
  async function naming(name: string): Promise<string> {
    return sealed(
      ARROW,
      (content) => content,
      (manifest) => {
        manifest.shards[1]!.arrow.name = name;
      },
    );
  }

  it.each([
    `../outside/${ARROW}`,
    `shards/../../outside/${ARROW}`,
    '/etc/passwd',
    'shards\\shard-00001.arrow',
    'shards/shard-00001.arrow\0',
    '',
    '.',
    '..',
  ])('%j is refused before it is opened', async (name) => {
    const copy = await naming(name);
    for (const use of [() => CacheReader.open(copy), () => verifyCache(copy), () => cacheInfo(copy)]) {
      expect(['path-outside-folder', 'cache-damaged', 'cache-stray-file']).toContain(
        (await inputErrorOf(use)).code,
      );
    }
    expect((await inputErrorOf(() => CacheReader.open(copy))).code).toBe('path-outside-folder');
  });

  it.each(['shards/shard-00001.arrow', 'shards'])(
    'is refused where %s is a link to outside',
    async (name) => {
      const copy = await sealed(ARROW, (content) => content);
      await rm(join(copy, name), { recursive: true });
      await symlink(join(finished, name), join(copy, name));
      for (const use of [() => CacheReader.open(copy), () => verifyCache(copy)]) {
        expect(['cache-damaged', 'cache-stray-file']).toContain((await inputErrorOf(use)).code);
      }
    },
  );

  it('is read under a name inside (control)', async () => {
    const copy = await naming('shards/other.arrow');
    await rename(join(copy, ARROW), join(copy, 'shards/other.arrow'));
    expect((await verifyCache(copy)).rows).toBe(50);
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

describe('bytes made to keep a decoder busy', () => {
  const flipped = (content: Buffer, at: number): Buffer => {
    const damaged = Buffer.from(content);
    damaged[at]! ^= 0x80;
    return damaged;
  };
  const outcomeOf = (reading: Promise<unknown>): Promise<string> =>
    reading.then(
      () => 'read',
      (error: { code?: string; details?: { found?: string } }) =>
        error.details?.found?.includes('no result after') === true
          ? 'stopped'
          : (error.code ?? String(error)),
    );

  it('in Arrow are refused, or read: nothing in them is followed further than there are bytes', async () => {
    const content = await readFile(join(finished, ARROW));
    // Lengths and offsets of vectors in the first message, in a record batch's and in the footer.
    for (const at of [95, 300, 567, 1000, content.length - 781, content.length - 698, content.length - 584]) {
      const copy = await sealed(ARROW, (bytes) => flipped(bytes, at));
      expect(['read', 'cache-damaged']).toContain(await outcomeOf(cacheInfo(copy)));
    }
  });

  it('in Parquet are given up at the deadline, or refused, or read', async () => {
    const name = 'shards/shard-00001.parquet';
    const content = await readFile(join(finished, name));
    const outcomes = new Set<string>();
    const decoder = new ColumnarDecoder();
    for (let i = 0; i < 16; i++) {
      const file = write(`busy-${i}.parquet`, flipped(content, content.length - 9 - 37 * i));
      outcomes.add(await outcomeOf(collect(decodedRows(file, CACHE_COLUMNS, decoder, 1000))));
    }
    for (const outcome of outcomes) expect(['read', 'stopped', 'cache-damaged']).toContain(outcome);
    expect(outcomes).toContain('cache-damaged');
    expect(await collect(decodedRows(join(finished, name), CACHE_COLUMNS, decoder))).toHaveLength(10);
    await decoder.close();
  });

  it('give one typed error each when the whole cache is read', async () => {
    const content = await readFile(join(finished, ARROW));
    // What the type of a column points to, in the footer.
    for (const at of [content.length - 620, content.length - 521, content.length - 520]) {
      const copy = await sealed(ARROW, (bytes) => flipped(bytes, at));
      for (const use of [() => cacheInfo(copy), () => verifyCache(copy)]) {
        expect(await outcomeOf(use())).toBe('cache-damaged');
      }
    }
    const cut = await sealed('shards/shard-00001.parquet', (bytes) => bytes.subarray(0, 900));
    expect(await outcomeOf(verifyCache(cut))).toBe('cache-damaged');
  });
});

describe('what is no regular file in the folder of a cache', () => {
  it('is refused at once: pipes and devices in the place of the manifest, the inputs, the list of dropped rows', async () => {
    const put = async (name: string, target: 'pipe' | '/dev/zero', from = finished): Promise<string> => {
      const copy = await freshFolder();
      await cp(from, copy, { recursive: true });
      await rm(join(copy, name));
      if (target === 'pipe') execFileSync('mkfifo', [join(copy, name)]);
      else await symlink(target, join(copy, name));
      return copy;
    };
    const unfinished = await freshFolder();
    await writeCache(unfinished, sampleRows(50), 1);
    for (const target of ['pipe', '/dev/zero'] as const) {
      const manifest = await put('manifest.json', target);
      expect((await inputErrorOf(() => CacheReader.open(manifest))).code).toBe('cache-damaged');
      const dropped = await put('dropped.jsonl', target);
      expect((await inputErrorOf(() => CacheReader.open(dropped))).code).toBe('cache-damaged');
      const inputs = await put('inputs.json', target, unfinished);
      expect((await inputErrorOf(() => CacheWriter.open(inputs, sampleInputs()))).code).toBe('not-a-file');
      expect((await inputErrorOf(() => templateInstantOf(inputs))).code).toBe('not-a-file');
    }
  });

  it('nor are inputs nested without end', async () => {
    const unfinished = await freshFolder();
    await writeCache(unfinished, sampleRows(50), 1);
    await writeFile(join(unfinished, 'inputs.json'), `{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`);
    const error = await inputErrorOf(() => CacheWriter.open(unfinished, sampleInputs()));
    expect([error.code, error.details.found]).toEqual([
      'cache-damaged',
      expect.stringContaining('nested deeper'),
    ]);
    await writeFile(join(unfinished, 'inputs.json'), sealedText(sampleInputs()));
    await (await CacheWriter.open(unfinished, sampleInputs())).close();
  });
});
