import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  CacheWriter,
  DROPPED_FILE,
  cacheInfo,
  describeReference,
  readManifest,
  verifyCache,
  type CacheInputs,
} from '../../src/cache/index.js';
import { filesIn, freshFolder, sampleInputs, sampleRows } from './sample-cache.js';

const served: CacheInputs['model'] = { servedModel: 'meta-llama/Llama-3.1-70B' };

/** Two shards of 40 and 10 rows; the writer may be closed between them. */
async function writeServed(stopBetween: boolean): Promise<string> {
  const directory = await freshFolder();
  const rows = sampleRows(50);
  let writer = await CacheWriter.open(directory, sampleInputs({ model: served }));
  await writer.publishShard(rows.slice(0, 40), { pairs: 1, greatestDifference: 0.02 });
  if (stopBetween) {
    await writer.close();
    writer = await CacheWriter.open(directory, sampleInputs({ model: served }));
  }
  await writer.publishShard(rows.slice(40), { pairs: 2, greatestDifference: 0.01 });
  await writeFile(join(directory, DROPPED_FILE), '');
  await writer.finish({});
  await writer.close();
  return directory;
}

it('a cache of a served model names it and what asking twice gave, also when its writer was stopped', async () => {
  const [whole, stopped] = [await writeServed(false), await writeServed(true)];
  await verifyCache(whole);
  expect((await readManifest(whole)).inputs.model).toEqual(served);
  expect((await cacheInfo(whole)).rescored).toEqual({ pairs: 3, greatestDifference: 0.02 });
  expect(await filesIn(stopped)).toEqual(await filesIn(whole));
  expect(describeReference(served)).toContain('meta-llama/Llama-3.1-70B');
  const { model } = sampleInputs();
  expect(describeReference(model)).toBe('a'.repeat(64));
});

it.each([
  ['a name that is Markdown', { servedModel: '| a |\n| b |' }],
  ['an empty name', { servedModel: '' }],
  ['both forms', { servedModel: 'a', weightsSha256: 'a'.repeat(64), configSha256: 'a'.repeat(64) }],
  ['an address', { servedModel: 'a', url: 'http://a' }],
])('%s is no model of a cache', async (_, model) => {
  await expect(CacheWriter.open(await freshFolder(), sampleInputs({ model }))).rejects.toThrow();
});

it('a model’s name on the hub is recorded, and is no other input than the same model in a folder', async () => {
  const { model } = sampleInputs() as { model: object };
  const origin = { repository: 'org/name', commit: 'c'.repeat(40) };
  const named = { ...model, origin } as CacheInputs['model'];
  const directory = await freshFolder();
  const rows = sampleRows(50);
  // Begun in a folder, ended by the name.
  let writer = await CacheWriter.open(directory, sampleInputs());
  await writer.publishShard(rows.slice(0, 40));
  await writer.close();
  writer = await CacheWriter.open(directory, sampleInputs({ model: named }));
  expect(writer.resumeFrom).toEqual({ shards: 1, rows: 40 });
  await writer.publishShard(rows.slice(40));
  await writeFile(join(directory, DROPPED_FILE), '');
  await writer.finish({});
  await writer.close();
  await verifyCache(directory);
  expect((await readManifest(directory)).inputs.model).toEqual(named);
  expect(describeReference(named)).toBe(`${'a'.repeat(64)}, org/name at ${'c'.repeat(40)}`);
  const again = await CacheWriter.open(directory, sampleInputs());
  expect(again.complete?.rows).toBe(50);
  await again.close();
  // Negative control: other weights under the same name.
  const other = { ...named, weightsSha256: 'b'.repeat(64) };
  await expect(CacheWriter.open(directory, sampleInputs({ model: other }))).rejects.toThrow('reference');
});

it.each([
  ['a path', { repository: '../../etc', commit: 'c'.repeat(40) }],
  ['Markdown', { repository: 'a|b/c', commit: 'c'.repeat(40) }],
  ['a branch', { repository: 'org/name', commit: 'main' }],
])('%s is no origin', async (_, origin) => {
  const model = { ...sampleInputs().model, origin } as CacheInputs['model'];
  await expect(CacheWriter.open(await freshFolder(), sampleInputs({ model }))).rejects.toThrow();
});
