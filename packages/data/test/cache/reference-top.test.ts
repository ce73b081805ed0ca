/** Caches that hold the reference's likeliest tokens in the place of every response token. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import { InputErrors, publishBytes } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import { CacheReader, cacheInfo, checkCacheRow, verifyCache, type CacheRow } from '../../src/cache/index.js';
import { encodeParquetShard } from '../../src/cache/parquet-shard.js';
import { describeFile, publishManifest, readManifest, sealManifest } from '../../src/cache/manifest.js';
import { collect, inputErrorOf } from '../rows/temporary-folder.js';
import { filesIn, freshFolder, sampleRows, withTop, writeCache } from './sample-cache.js';

const N = 3;
const rows = withTop(sampleRows(50), N);
let folder: string;
beforeAll(async () => {
  folder = await freshFolder();
  await writeCache(folder, rows, Infinity, { topLogprobs: N });
});

describe('a cache with the reference’s likeliest tokens', () => {
  it('is whole, says so, and gives every row as it was written, in any order', async () => {
    expect((await verifyCache(folder)).rows).toBe(50);
    expect((await cacheInfo(folder)).inputs.topLogprobs).toBe(N);
    const reader = await CacheReader.open(folder);
    expect(await collect(reader.rows())).toEqual(rows);
    expect(await reader.row(41)).toEqual(rows[41]);
    const order = Uint32Array.of(49, 0, 17);
    expect(await collect(reader.rows(order))).toEqual([rows[49], rows[0], rows[17]]);
    await reader.close();
  });

  it('gives the Arrow library the same lists', async () => {
    const table = tableFromIPC(await readFile(join(folder, 'shards/shard-00001.arrow')));
    const row = table.get(2)!.toJSON() as Record<string, { toArray(): unknown }>;
    expect(row['rejected_ref_top_ids']!.toArray()).toEqual(rows[42]!.refTop!.rejectedIds);
    expect(row['chosen_ref_top_logps']!.toArray()).toEqual(rows[42]!.refTop!.chosenLogps);
  });

  it('differs from one without them in nothing else, and that one is what it was before there were any', async () => {
    const without = await freshFolder();
    await writeCache(without, sampleRows(50));
    const [plain, own] = [await readManifest(without), await readManifest(folder)];
    expect(Object.keys(plain.inputs)).not.toContain('topLogprobs');
    expect(own.inputs).toEqual({ ...plain.inputs, topLogprobs: N });
    // Of the version before: scored caches are not made again.
    expect(plain.digest).toBe('fe02bc75a0b79e82800e6039e24ed58172564ec2a5df34cb44b8035909446089');
    const table = tableFromIPC((await filesIn(without)).get('shards/shard-00000.arrow')!);
    expect(table.schema.fields.map(({ name }) => name).at(-1)).toBe('ref_rejected_logps');
    const reader = await CacheReader.open(without);
    expect((await reader.row(0)).refTop).toBeUndefined();
    await reader.close();
  });

  it('of another number of tokens is another cache', async () => {
    for (const topLogprobs of [N + 1, undefined]) {
      const change = topLogprobs === undefined ? {} : { topLogprobs };
      const refusal: unknown = await writeCache(folder, rows, Infinity, change).catch(
        (error: unknown) => error,
      );
      expect(refusal).toBeInstanceOf(InputErrors);
      const [problem] = (refusal as InputErrors).problems;
      expect(problem).toMatchObject({ code: 'cache-inputs-differ', details: { field: 'topLogprobs' } });
    }
  });

  it('whose Parquet has other values than its Arrow file is found by verification', async () => {
    const copy = await freshFolder();
    await writeCache(copy, rows.slice(0, 40), Infinity, { topLogprobs: N });
    const manifest = await readManifest(copy);
    const { name } = manifest.shards[0]!.parquet;
    const changed = structuredClone(rows.slice(0, 40));
    const reseal = async () => {
      await publishBytes(join(copy, name), await encodeParquetShard(changed));
      manifest.shards[0]!.parquet = await describeFile(copy, name);
      const { digest, ...content } = manifest;
      expect(digest).not.toBe('');
      await publishManifest(copy, sealManifest(content));
    };
    await reseal();
    expect((await verifyCache(copy)).rows).toBe(40);
    changed[7]!.refTop!.rejectedLogps[2]! -= 0.5;
    await reseal();
    // Digests alone say nothing of values.
    expect((await verifyCache(copy, { digestsOnly: true })).rows).toBe(40);
    const { code, details } = await inputErrorOf(() => verifyCache(copy));
    expect(code).toBe('cache-damaged');
    expect(details.found).toContain('rejected_ref_top_logps');
  });
});

describe('a row with likeliest tokens', () => {
  const changed = (change: (row: CacheRow) => void, n = N) => {
    const row = structuredClone(rows[0]!);
    change(row);
    return inputErrorOf(async () => checkCacheRow(row, 'cache', n)).then(({ code, details }) => {
      expect(code).toBe('cache-row-invalid');
      return details.field;
    });
  };

  it('is refused for counts, ids and log-probs that cannot be', async () => {
    const top = (row: CacheRow) => row.refTop!;
    expect(await changed((row) => delete row.refTop)).toBe('chosen_ref_top_ids');
    expect(await changed((row) => (top(row).chosenIds = top(row).chosenIds.slice(1)))).toBe(
      'chosen_ref_top_ids',
    );
    expect(await changed((row) => (top(row).rejectedLogps = new Float32Array(1)))).toBe(
      'rejected_ref_top_logps',
    );
    expect(await changed((row) => (top(row).chosenIds[1] = -1))).toBe('chosen_ref_top_ids');
    expect(await changed((row) => (top(row).chosenIds[1] = top(row).chosenIds[0]!))).toBe(
      'chosen_ref_top_ids',
    );
    for (const logp of [NaN, -Infinity, Infinity, 0.5]) {
      expect(await changed((row) => (top(row).rejectedLogps[0] = logp))).toBe('rejected_ref_top_logps');
    }
    // Ascending, and probabilities of more than 1 in all.
    expect(await changed((row) => top(row).chosenLogps.subarray(0, N).reverse())).toBe(
      'chosen_ref_top_logps',
    );
    expect(await changed((row) => top(row).chosenLogps.fill(-0.5, 0, N))).toBe('chosen_ref_top_logps');
    expect(await changed(() => undefined, N + 1)).toBe('chosen_ref_top_ids');
    const none = await inputErrorOf(() => checkCacheRow(rows[0]!, 'cache'));
    expect(none.details).toMatchObject({ field: 'chosen_ref_top_ids', expected: 'none' });
  });

  it('is taken as it is, also where equal tokens follow each other', () => {
    const row = structuredClone(rows[0]!);
    row.refTop!.chosenLogps.fill(-Math.log(N), 0, N);
    expect(() => checkCacheRow(row, 'cache', N)).not.toThrow();
  });
});
