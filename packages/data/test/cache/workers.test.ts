import { copyFile, cp, readFile, readdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, InputErrors, Interrupted } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  CacheReader,
  CacheWriter,
  DROPPED_FILE,
  MANIFEST_FILE,
  WorkerPart,
  beginWorkers,
  mergeCache,
  verifyCache,
  type CacheRow,
} from '../../src/cache/index.js';
import { sealedText } from '../../src/cache/sealed-helper.js';
import { filesIn, freshFolder, sampleInputs, sampleRows } from './sample-cache.js';

const PAIRS = 195;
const COUNT = 3;
const ROWS = 40;
const inputs = sampleInputs();
const rows = sampleRows(PAIRS);
const DROPPED = '{"row":7,"reason":"identical"}\n';

let single: Map<string, Buffer>;

beforeAll(async () => {
  const directory = await freshFolder();
  const writer = await CacheWriter.open(directory, inputs);
  for (let at = 0; at < PAIRS; at += ROWS) await writer.publishShard(rows.slice(at, at + ROWS));
  await writeFile(join(directory, DROPPED_FILE), DROPPED);
  await writer.finish({ identical: 1 });
  await writer.close();
  single = await filesIn(directory);
});

const shardOf = (index: number): CacheRow[] => rows.slice(index * ROWS, (index + 1) * ROWS);

/** One worker's whole part; `until` shards at most. */
async function work(
  directory: string,
  index: number,
  until = Infinity,
  change: Parameters<typeof sampleInputs>[0] = {},
): Promise<number> {
  const part = await WorkerPart.open(directory, sampleInputs(change), { index, count: COUNT });
  for (let shard = 0; shard * ROWS < PAIRS && part.shards < until; shard++) {
    if (await part.wants(shard)) await part.publishShard(shard, shardOf(shard));
  }
  if (part.shards >= until) return part.shards;
  await writeFile(join(directory, DROPPED_FILE), DROPPED);
  await part.finish(PAIRS, { identical: 1, 'empty-chosen': 0 });
  return part.shards;
}

async function refused(failing: Promise<unknown>): Promise<InputError> {
  const error = await failing.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const [problem] = error instanceof InputErrors ? error.problems : [error];
  expect(problem).toBeInstanceOf(InputError);
  return problem as InputError;
}

describe('workers', () => {
  it('in any order make the cache of a single pass, byte for byte', async () => {
    const directory = await freshFolder();
    expect([await work(directory, 2), await work(directory, 0), await work(directory, 1)]).toEqual([1, 2, 2]);
    const { manifest, alreadyComplete } = await mergeCache(directory);
    expect([manifest.rows, alreadyComplete]).toEqual([PAIRS, false]);
    expect(await filesIn(directory)).toEqual(single);
    expect((await mergeCache(directory)).alreadyComplete).toBe(true);
    expect(await filesIn(directory)).toEqual(single);
    // A worker that comes late has nothing to do.
    const late = await WorkerPart.open(directory, inputs, { index: 0, count: COUNT });
    expect(late.complete!.digest).toBe(manifest.digest);
  });

  it('at one time, two with the same index among them, do each other no harm', async () => {
    const directory = await freshFolder();
    await Promise.all([work(directory, 1), work(directory, 0), work(directory, 0), work(directory, 2)]);
    await mergeCache(directory);
    expect(await filesIn(directory)).toEqual(single);
  });

  it('begin in a folder where another one is just beginning', async () => {
    for (const [name, code] of [
      ['.workers.json.first.7-0a0a0a0a-0.tmp', undefined],
      ['..workers.json.first.7-0a0a0a0a-0.tmp.7-0a0a0a0a-1.tmp', undefined],
      ['..inputs.json.first.7-0a0a0a0a-0.tmp.7-0a0a0a0a-1.tmp', undefined],
      ['..workers.json', 'folder-in-use'],
      ['.bashrc', 'folder-in-use'],
    ] as const) {
      const directory = await freshFolder();
      await writeFile(join(directory, name), '{');
      const found = await work(directory, 0).catch((error: unknown) => (error as InputError).code);
      expect(found, name).toBe(code ?? 2);
    }
  });

  it('go on where they were stopped, and make a damaged shard again', async () => {
    const directory = await freshFolder();
    expect(await work(directory, 0, 1)).toBe(1);
    expect(await work(directory, 0)).toBe(1);
    await truncate(join(directory, 'shards/shard-00000.arrow'), 100);
    expect(await work(directory, 0)).toBe(1);
    expect(await work(directory, 0)).toBe(0);
  });

  it('of other inputs, of another number, or beside a single pass are refused', async () => {
    const directory = await freshFolder();
    await work(directory, 0);
    const before = await filesIn(directory);
    const others = sampleInputs({
      limits: { maxLength: 65, maxPromptLength: null, truncation: 'keep_start' },
    });
    const open = (made = inputs, count = COUNT) => WorkerPart.open(directory, made, { index: 1, count });
    expect((await refused(open(others))).message).toContain('length limits');
    const count = await refused(open(inputs, 4));
    expect([count.code, count.details.found, count.details.expected]).toEqual([
      'cache-workers-differ',
      '4',
      '3',
    ]);
    expect((await refused(CacheWriter.open(directory, inputs))).code).toBe('cache-of-workers');
    expect(await filesIn(directory)).toEqual(before);
    const alone = await freshFolder();
    const writer = await CacheWriter.open(alone, inputs);
    await writer.publishShard(shardOf(0));
    await writer.close();
    const refusal = await refused(WorkerPart.open(alone, inputs, { index: 0, count: 1 }));
    expect(refusal.code).toBe('cache-of-one-writer');
  });
});

describe('a worker that comes to its end late', () => {
  /** What another processor may give: other last bits. */
  const otherBits = (made: CacheRow[]): CacheRow[] =>
    made.map((row) => ({ ...row, chosenRefLogps: row.chosenRefLogps.map((logp) => logp * (1 + 1e-6)) }));

  it('changes nothing in a cache that was closed', async () => {
    const directory = await freshFolder();
    for (const index of [1, 2]) await work(directory, index);
    const late = await WorkerPart.open(directory, inputs, { index: 0, count: COUNT });
    expect(await late.wants(0)).toBe(true);
    await work(directory, 0);
    await mergeCache(directory);
    expect(await late.wants(3)).toBe(false);
    await late.publishShard(0, otherBits(shardOf(0)));
    await late.finish(PAIRS, { identical: 1 });
    expect(late.shards).toBe(0);
    expect(await filesIn(directory)).toEqual(single);
    await verifyCache(directory);
  });

  it('leaves the shard of another one with its index, and replaces a damaged one', async () => {
    const directory = await freshFolder();
    const late = await WorkerPart.open(directory, inputs, { index: 0, count: COUNT });
    await work(directory, 0, 1);
    const before = await filesIn(directory);
    await late.publishShard(0, otherBits(shardOf(0)));
    expect(await filesIn(directory)).toEqual(before);
    // Negative control: what does not count is made again.
    await flip(join(directory, 'shards/shard-00000.arrow'));
    await late.publishShard(0, shardOf(0));
    expect([late.shards, await filesIn(directory)]).toEqual([1, before]);
  });
});

describe('the instant of workers', () => {
  it('is that of the first, whoever comes later', async () => {
    const directory = await freshFolder();
    const [first, later] = [new Date('2025-01-02T03:04:05.006Z'), new Date('2026-01-01T00:00:00Z')];
    expect(await beginWorkers(directory, COUNT, first)).toEqual(first);
    expect(await beginWorkers(directory, COUNT, later)).toEqual(first);
    // Negative control.
    expect(await beginWorkers(await freshFolder(), COUNT, later)).toEqual(later);
  });
});

describe('merging', () => {
  it('names the shards that are missing, and their workers', async () => {
    const directory = await freshFolder();
    await work(directory, 1);
    const { code, details } = await refused(mergeCache(directory));
    expect([code, details.found]).toEqual(['shards-missing', '3 of 5 missing or damaged: 0, 2, 3']);
    expect(details.hint).toContain('--shard-index 0, 2 of --shard-count 3');
    await work(directory, 0);
    expect((await refused(mergeCache(directory))).details.found).toBe('1 of 5 missing or damaged: 2');
    expect(await readdir(directory)).not.toContain(MANIFEST_FILE);
  });

  it('takes no shard of another reference, however whole it is', async () => {
    const [directory, other] = [await freshFolder(), await freshFolder()];
    for (const index of [0, 1, 2]) {
      await work(directory, index);
      await work(other, index, Infinity, {
        model: { weightsSha256: 'b'.repeat(64), configSha256: 'b'.repeat(64) },
      });
    }
    for (const ending of ['json', 'parquet', 'arrow'])
      await cp(join(other, `shards/shard-00001.${ending}`), join(directory, `shards/shard-00001.${ending}`));
    expect((await refused(mergeCache(directory))).details.found).toBe('1 of 5 missing or damaged: 1');
    await work(directory, 1);
    await mergeCache(directory);
    await verifyCache(directory);
  });

  it('waits for a worker that came to the end, and is only for folders of workers', async () => {
    const directory = await freshFolder();
    await work(directory, 1, 1);
    expect((await refused(mergeCache(directory))).code).toBe('cache-unfinished');
    expect((await refused(mergeCache(await freshFolder()))).code).toBe('cache-not-of-workers');
    expect((await refused(mergeCache(join(directory, 'absent')))).code).toBe('cache-not-of-workers');
  });

  it('takes no shard that was cut, altered, linked or exchanged, and no other ending', async () => {
    const whole = await freshFolder();
    for (const index of [0, 1, 2]) await work(whole, index);
    const spoil: [string, (at: string) => Promise<unknown>][] = [
      ['cut', (at) => truncate(join(at, 'shards/shard-00001.parquet'), 1000)],
      ['flipped', (at) => flip(join(at, 'shards/shard-00003.arrow'))],
      [
        'exchanged',
        (at) => copyFile(join(at, 'shards/shard-00002.arrow'), join(at, 'shards/shard-00001.arrow')),
      ],
      ['sidecar', (at) => flip(join(at, 'shards/shard-00004.json'))],
      [
        'sidecar of another',
        (at) => copyFile(join(at, 'shards/shard-00002.json'), join(at, 'shards/shard-00001.json')),
      ],
      [
        'fewer pairs',
        (at) => writeFile(join(at, 'ending.json'), sealedText({ dropped: { identical: 1 }, pairs: 180 })),
      ],
      [
        'more pairs',
        (at) =>
          writeFile(join(at, 'ending.json'), sealedText({ dropped: { identical: 1 }, pairs: PAIRS + 40 })),
      ],
      ['no ending', (at) => writeFile(join(at, 'ending.json'), '{"pairs":')],
      ['other drops', (at) => writeFile(join(at, DROPPED_FILE), DROPPED + DROPPED)],
      ['inputs', (at) => writeFile(join(at, 'inputs.json'), sealedText({ rowsPerShard: 1 }))],
      ['workers', (at) => writeFile(join(at, 'workers.json'), sealedText({ count: 0 }))],
      ['linked', (at) => linked(join(at, 'shards/shard-00000.arrow'))],
    ];
    for (const [name, change] of spoil) {
      const directory = join(await freshFolder(), 'copy');
      await cp(whole, directory, { recursive: true });
      await change(directory);
      const { code } = await refused(mergeCache(directory));
      expect(['shards-missing', 'cache-damaged'], name).toContain(code);
      expect(await readdir(directory)).not.toContain(MANIFEST_FILE);
    }
    // Negative control: unspoilt it is closed.
    await mergeCache(whole);
    const reader = await CacheReader.open(whole, { verify: 'all' });
    expect(reader.rowCount).toBe(PAIRS);
    await reader.close();
  });

  it('removes nothing from a folder that its shards are linked to', async () => {
    const [directory, elsewhere] = [await freshFolder(), await freshFolder()];
    for (const index of [0, 1, 2]) await work(directory, index);
    await mergeCache(directory);
    for (const name of ['shard-00000.json', '.mine.tmp']) await writeFile(join(elsewhere, name), 'mine');
    await rename(join(directory, 'shards'), join(await freshFolder(), 'shards'));
    await symlink(elsewhere, join(directory, 'shards'));
    expect((await refused(mergeCache(directory))).code).toBe('not-a-folder');
    expect((await readdir(elsewhere)).sort()).toEqual(['.mine.tmp', 'shard-00000.json']);
  });

  it('comes to an end where an altered ending promises shards without end', async () => {
    const directory = await freshFolder();
    for (const index of [0, 1, 2]) await work(directory, index);
    const pairs = Number.MAX_SAFE_INTEGER;
    await writeFile(join(directory, 'ending.json'), sealedText({ dropped: { identical: 1 }, pairs }));
    const { code, details } = await refused(mergeCache(directory));
    expect(code).toBe('shards-missing');
    expect(details.found).toContain('10000 or more of');
    expect(details.hint).toContain('--shard-index 0, 1, 2 of');
  });

  it('stops when asked, and leaves the cache open', async () => {
    const directory = await freshFolder();
    for (const index of [0, 1, 2]) await work(directory, index);
    const before = await filesIn(directory);
    const stopper = new AbortController();
    const stopped = mergeCache(directory, () => stopper.abort(), stopper.signal);
    await expect(stopped).rejects.toBeInstanceOf(Interrupted);
    expect(await filesIn(directory)).toEqual(before);
    await mergeCache(directory);
    expect(await filesIn(directory)).toEqual(single);
  });

  it('leaves nothing of workers that were killed while they wrote', async () => {
    const directory = await freshFolder();
    for (const index of [0, 1, 2]) await work(directory, index);
    for (const name of [
      '.inputs.json.9-aa.tmp',
      'shards/.shard-00001.parquet.9-aa.tmp',
      '.dropped.jsonl.9-aa.tmp',
    ]) {
      await writeFile(join(directory, name), 'half');
    }
    await mergeCache(directory);
    expect(await filesIn(directory)).toEqual(single);
  });
});

async function flip(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(file, bytes);
}

async function linked(file: string): Promise<void> {
  const elsewhere = join(await freshFolder(), 'elsewhere');
  await copyFile(file, elsewhere);
  await rm(file);
  await symlink(elsewhere, file);
}
