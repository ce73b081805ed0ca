import { execFileSync, spawn } from 'node:child_process';
import { cp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  InputError,
  InputErrors,
  Interrupted,
  SeededRandom,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  CacheReader,
  CacheWriter,
  cacheInfo,
  epochOrder,
  splitRows,
  verifyCache,
} from '../../src/cache/index.js';
import { filesIn, freshFolder, sampleInputs, sampleRows, writeCache } from './sample-cache.js';

const rows = sampleRows(130);
let finished: string;

beforeAll(async () => {
  finished = await freshFolder();
  await writeCache(finished, rows);
});

describe('a finished cache', () => {
  it('gives every row back, in sequence, in an epoch’s order, and one by one', async () => {
    const reader = await CacheReader.open(finished);
    const read = [];
    for await (const row of reader.rows()) read.push(row);
    expect(read).toEqual(rows);
    const order = epochOrder(130, 7, 2);
    const shuffled = [];
    for await (const row of reader.rows(order, 100)) shuffled.push(row.sourceRow);
    expect(shuffled).toEqual([...order].slice(100));
    expect(await Promise.all([129, 0, 64, 39, 40].map(async (i) => (await reader.row(i)).sourceRow))).toEqual(
      [129, 0, 64, 39, 40],
    );
    await expect(reader.row(130)).rejects.toThrow(RangeError);
    await reader.close();
  });

  it('tells each shard that it verifies, digests first, and stops between two of them', async () => {
    const told: string[] = [];
    const listener: ProgressListener = (event) => {
      if (event.type === 'progress') told.push(`${event.stage} ${event.done} of ${event.total}`);
    };
    await verifyCache(finished, { listener });
    const each = (stage: string) => [1, 2, 3, 4].map((done) => `${stage} ${done} of 4`);
    expect(told).toEqual([...each('digests'), ...each('verify')]);
    told.length = 0;
    await verifyCache(finished, { listener, digestsOnly: true });
    expect(told).toEqual(each('digests'));
    const controller = new AbortController();
    const stopping = verifyCache(finished, { listener: () => controller.abort(), signal: controller.signal });
    await expect(stopping).rejects.toThrow(Interrupted);
    await expect(cacheInfo(finished, undefined, controller.signal)).rejects.toThrow(Interrupted);
  });

  it('verifies, and says what it holds', async () => {
    const tokens = rows.reduce((sum, row) => sum + row.chosenIds.length + row.rejectedIds.length, 0);
    expect(await verifyCache(finished)).toMatchObject({ rows: 130, shards: 4, responseTokens: tokens });
    const info = await cacheInfo(finished);
    expect(info.dropped).toEqual({ unreadable: 1 });
    const mean =
      rows.reduce(
        (sum, row) => sum + [...row.chosenRefLogps, ...row.rejectedRefLogps].reduce((a, b) => a + b, 0),
        0,
      ) / tokens;
    expect(info.meanRefLogp).toBeCloseTo(mean, 9);
    const sum = (logps: Float32Array) => logps.reduce((a, b) => a + b, 0);
    const ordered = rows.filter((row) => sum(row.chosenRefLogps) > sum(row.rejectedRefLogps)).length;
    expect(info.reference.accuracy).toBe(ordered / 130);
    const meanOf = (logps: Float32Array) => sum(logps) / logps.length;
    const perToken = rows.filter((row) => meanOf(row.chosenRefLogps) > meanOf(row.rejectedRefLogps)).length;
    expect(info.reference.accuracyPerToken).toBe(perToken / 130);
    expect(info.parquetBytes).toBeLessThan(info.bytes);
  });

  it('is the same bytes when written again, and after a writer that stopped between shards', async () => {
    const [again, resumed] = [await freshFolder(), await freshFolder()];
    await writeCache(again, rows);
    expect(await filesIn(again)).toEqual(await filesIn(finished));
    await writeCache(resumed, rows, 2);
    await expect(CacheReader.open(resumed)).rejects.toMatchObject({ code: 'cache-unfinished' });
    // A whole shard of another reference in its place is written anew.
    const foreign = await freshFolder();
    await writeCache(foreign, sampleRows(130, 9), 1, { model: { servedModel: 'another' } });
    for (const ending of ['json', 'arrow', 'parquet'])
      await cp(join(foreign, `shards/shard-00000.${ending}`), join(resumed, `shards/shard-00000.${ending}`));
    await writeCache(resumed, rows);
    expect(await filesIn(resumed)).toEqual(await filesIn(finished));
    // Negative control: another row gives other bytes.
    const other = await freshFolder();
    await writeCache(other, sampleRows(130, 2));
    expect(await filesIn(other)).not.toEqual(await filesIn(finished));
  });

  it('has nothing more to write for the same inputs, and is refused for others, which are named', async () => {
    const writer = await CacheWriter.open(finished, sampleInputs());
    expect(writer.complete?.rows).toBe(130);
    await writer.close();
    const others = sampleInputs({ limits: { maxLength: 65, maxPromptLength: 9, truncation: 'keep_end' } });
    const failure = await CacheWriter.open(finished, others).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InputErrors);
    expect((failure as InputErrors).problems).toMatchObject([
      {
        message: 'this folder holds a cache of other inputs: length limits',
        details: {
          field: 'limits.maxLength, limits.maxPromptLength, limits.truncation',
          found: '64, null, "keep_start" in the cache',
          expected: '65, 9, "keep_end", as given',
        },
      },
    ]);
  });

  it('holds Parquet that pyarrow reads as lists (needs pyarrow)', (context) => {
    const python = process.env['SELECTIVE_DPO_PYTHON'] ?? 'python3';
    try {
      execFileSync(python, ['-c', 'import pyarrow.parquet'], { stdio: 'ignore' });
    } catch {
      context.skip(`${python} has no pyarrow`);
    }
    const script =
      'import sys, json, pyarrow.parquet as p; t = p.read_table(sys.argv[1]); r = t.slice(3, 1).to_pylist()[0]; ' +
      'print(json.dumps([str(t.schema.field("chosen_ref_logps").type), r]))';
    const out = execFileSync(python, ['-c', script, join(finished, 'shards/shard-00000.parquet')], {
      encoding: 'utf8',
    });
    const [type, row] = JSON.parse(out) as [string, Record<string, unknown>];
    expect(type).toContain('list');
    expect(row['chosen_ids']).toEqual([...rows[3]!.chosenIds]);
    expect(row['rejected_ref_logps']).toEqual([...rows[3]!.rejectedRefLogps]);
  });
});

describe('damage', () => {
  const damaged = async (change: (path: string, content: Buffer) => Promise<void>, name: string) => {
    const copy = await freshFolder();
    await cp(finished, copy, { recursive: true });
    await change(join(copy, name), await readFile(join(copy, name)));
    const outcome = await verifyCache(copy).catch((error: unknown) => error);
    const byDigests = await verifyCache(copy, { digestsOnly: true }).catch((error: unknown) => error);
    expect(byDigests, name).toEqual(outcome);
    await rm(copy, { recursive: true });
    return outcome;
  };

  it('of several files is told at the first of them, though they are read at the same time', async () => {
    const copy = await freshFolder();
    await cp(finished, copy, { recursive: true });
    for (const shard of [1, 2, 3]) {
      const path = join(copy, `shards/shard-0000${shard}.parquet`);
      const bytes = await readFile(path);
      bytes[9]! ^= 1;
      await writeFile(path, bytes);
    }
    const outcome = await verifyCache(copy).catch((error: unknown) => error);
    expect((outcome as InputError).details.file).toContain('shard-00001.parquet');
    await rm(copy, { recursive: true });
  });

  it('by a cut is refused, and so is a file that the manifest does not name', async () => {
    const random = new SeededRandom(12);
    for (const [name, content] of await filesIn(finished)) {
      const outcome = await damaged((path) => truncate(path, random.below(content.length)), name);
      expect(outcome, name).toBeInstanceOf(InputError);
    }
    expect(await damaged((path) => writeFile(`${path}.extra`, 'x'), 'manifest.json')).toBeInstanceOf(
      InputError,
    );
  });

  it('is noticed by the reader before anything of the shard is decoded', async () => {
    const copy = await freshFolder();
    await cp(finished, copy, { recursive: true });
    const path = join(copy, 'shards/shard-00002.arrow');
    const bytes = await readFile(path);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(path, bytes);
    const reader = await CacheReader.open(copy);
    expect((await reader.row(3)).sourceRow).toBe(3);
    await expect(reader.row(90)).rejects.toMatchObject({ code: 'cache-damaged' });
    await reader.close();
  });
});

describe('CacheWriter', () => {
  it('refuses rows that are not sound', async () => {
    const directory = await freshFolder();
    const writer = await CacheWriter.open(directory, sampleInputs());
    const [row] = sampleRows(1);
    for (const change of [
      { chosenRefLogps: row!.chosenRefLogps.slice(1) },
      { rejectedRefLogps: row!.rejectedRefLogps.map(() => NaN) },
      { chosenRefLogps: row!.chosenRefLogps.map(() => 1) },
      { promptIds: new Int32Array(0) },
      { chosenIds: row!.chosenIds.map(() => -1) },
    ]) {
      await expect(writer.publishShard([{ ...row!, ...change }])).rejects.toMatchObject({
        code: 'cache-row-invalid',
      });
    }
    await writer.publishShard([row!]);
    await writer.close();
  });

  it('keeps others out while it is open, and a foreign folder as it is', async () => {
    const directory = await freshFolder();
    const writer = await CacheWriter.open(directory, sampleInputs());
    await expect(CacheWriter.open(directory, sampleInputs())).rejects.toMatchObject({ code: 'cache-busy' });
    await writer.close();
    const foreign = await freshFolder();
    await writeFile(join(foreign, 'thesis.txt'), 'x');
    await expect(CacheWriter.open(foreign, sampleInputs())).rejects.toMatchObject({ code: 'folder-in-use' });
    expect([...(await filesIn(foreign)).keys()]).toEqual(['thesis.txt']);
  });

  it('takes over the lock of a process that was killed', async () => {
    const directory = await freshFolder();
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.on('close', resolve));
    await writeFile(
      join(directory, '.writer.lock'),
      JSON.stringify({ pid: child.pid, host: (await import('node:os')).hostname(), started: '1' }),
    );
    const writer = await CacheWriter.open(directory, sampleInputs());
    expect(writer.resumeFrom.shards).toBe(0);
    await writer.close();
  });
});

describe('orders', () => {
  it('depend on the count, the seed and the epoch only, and hold every row once', () => {
    expect([...epochOrder(50, 1, 0)].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(epochOrder(50, 1, 0)).toEqual(epochOrder(50, 1, 0));
    expect(epochOrder(50, 1, 0)).not.toEqual(epochOrder(50, 1, 1));
    expect(epochOrder(50, 1, 0)).not.toEqual(epochOrder(50, 2, 0));
  });
  it('split every row to exactly one side', () => {
    const { train, eval: held } = splitRows(101, 0.1, 3);
    expect(held).toHaveLength(10);
    expect([...train, ...held].sort((a, b) => a - b)).toEqual(Array.from({ length: 101 }, (_, i) => i));
    expect(splitRows(101, 0, 3).eval).toHaveLength(0);
    expect(splitRows(3, 0.01, 3).eval).toHaveLength(1);
  });
});
