/** Reading Arrow in place, beside the Arrow library as the plain version. */
import { mkdtemp, open, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Field,
  Float64,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  makeData,
  tableFromIPC,
} from 'apache-arrow';
import { InputError, SeededRandom } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { encodeArrowShard, refuseLargeBatches } from '../../src/cache/arrow-encode.js';
import { ARROW_TRAILER_BYTES, readFooter } from '../../src/cache/arrow-metadata.js';
import { ArrowShard } from '../../src/cache/arrow-shard.js';
import { CacheReader, CacheWriter, DROPPED_FILE, epochOrder, type CacheRow } from '../../src/cache/index.js';
import { ReadMemory } from '../../src/cache/read-memory.js';
import { freshFolder, sampleInputs, sampleRows, writeCache } from './sample-cache.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdpo-arrow-'));
});

const LAYOUT = { rows: 70, recordBatchRows: 32 };

/** All rows of an Arrow file of {@link LAYOUT}. */
async function rowsOf(content: Uint8Array, layout = LAYOUT): Promise<CacheRow[]> {
  const path = join(folder, 'shard.arrow');
  await writeFile(path, content);
  const shard = await ArrowShard.open(await open(path), content.length, path, layout);
  try {
    const batches = await shard.recordBatches(0, Math.ceil(layout.rows / layout.recordBatchRows));
    return batches.flatMap((batch) => Array.from({ length: batch.rows }, (_, i) => batch.row(i)));
  } finally {
    await shard.close();
  }
}

/** As the Arrow library reads them. */
function plainRows(content: Uint8Array): unknown[] {
  return tableFromIPC(content)
    .toArray()
    .map((row: Record<string, { toArray(): unknown }>) => ({
      pairId: row['pair_id'],
      sourceRow: row['source_row'],
      promptIds: row['prompt_ids']!.toArray(),
      chosenIds: row['chosen_ids']!.toArray(),
      rejectedIds: row['rejected_ids']!.toArray(),
      chosenRefLogps: row['chosen_ref_logps']!.toArray(),
      rejectedRefLogps: row['rejected_ref_logps']!.toArray(),
    }));
}

const outcomeOf = (content: Uint8Array): Promise<string> =>
  rowsOf(content).then(
    () => 'read',
    (error: unknown) => (error instanceof InputError ? error.code : String(error)),
  );

describe('an Arrow shard', () => {
  it.each<[string, (i: number) => string]>([
    ['ASCII', (i) => `pair ${i}`],
    ['other', (i) => `${i}-é🙂`],
    ['mixed', (i) => (i === 40 ? 'ü' : 'x'.repeat(i + 1))],
  ])('gives the rows that the Arrow library gives, with %s ids', async (_, pairId) => {
    const rows = sampleRows(70, 5).map((row, i) => ({ ...row, pairId: pairId(i) }));
    const content = encodeArrowShard(rows);
    expect(await rowsOf(content)).toEqual(rows);
    expect(plainRows(content)).toEqual(rows);
  });

  it('is read or refused, and reading ends, whichever bit of it is flipped (3,000 flips)', async () => {
    const content = encodeArrowShard(sampleRows(70, 6, 3));
    const random = new SeededRandom(13);
    const outcomes = new Map<string, number>();
    for (let i = 0; i < 3000; i++) {
      const damaged = Uint8Array.from(content);
      damaged[random.below(content.length)]! ^= 1 << random.below(8);
      const outcome = await outcomeOf(damaged);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    const codes = ['cache-damaged', 'cache-row-invalid', 'cache-without-token-logps', 'read'];
    for (const outcome of outcomes.keys()) expect(codes).toContain(outcome);
    // An id that became another cannot be told from one that was meant: that is what digests are for.
    for (const outcome of ['cache-damaged', 'read']) expect(outcomes.get(outcome)).toBeGreaterThan(100);
  });

  it('is refused wherever it is cut', async () => {
    const content = encodeArrowShard(sampleRows(70, 7, 3));
    for (let i = 0; i < 200; i++) {
      const cut = content.subarray(0, Math.floor((i * content.length) / 200));
      expect(await outcomeOf(cut)).toBe('cache-damaged');
    }
    expect(await outcomeOf(content)).toBe('read');
  });

  it('with identifiers that nobody wrote is refused', async () => {
    const outcomeWith = (pairId: string) =>
      outcomeOf(encodeArrowShard(sampleRows(70, 4, 3).map((row) => ({ ...row, pairId }))));
    expect(await outcomeWith('x'.repeat(65_536))).toBe('read');
    expect(await outcomeWith('x'.repeat(65_537))).toBe('cache-row-invalid');
    expect(await outcomeWith('x'.repeat(300_000))).toBe('cache-damaged');
    expect(await outcomeWith('')).toBe('cache-row-invalid');
  });

  it('without log-probs of tokens is refused by name, and so are other columns and missing values', async () => {
    const sums = ['ref_chosen_logps', 'ref_rejected_logps'].map((name) => new Field(name, new Float64()));
    const failure = await rowsOf(fileOf(sums, 70)).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'cache-without-token-logps' });
    expect((failure as InputError).details.found).toBe('columns ref_chosen_logps, ref_rejected_logps');
    const others = ['chosen_ref_logps', 'rejected_ref_logps'].map((name) => new Field(name, new Float64()));
    expect(await outcomeOf(fileOf(others, 70))).toBe('cache-damaged');
    const content = encodeArrowShard(sampleRows(70, 8));
    await expect(rowsOf(content, { rows: 71, recordBatchRows: 32 })).rejects.toMatchObject({
      code: 'cache-damaged',
    });
    await expect(rowsOf(content, { rows: 70, recordBatchRows: 30 })).rejects.toMatchObject({
      code: 'cache-damaged',
    });
  });
});

/** An Arrow file of float64 columns, one record batch. */
function fileOf(fields: Field<Float64>[], length: number): Uint8Array {
  const schema = new Schema(fields);
  const children = fields.map(() =>
    makeData({ type: new Float64(), length, data: new Float64Array(length) }),
  );
  const struct = makeData({ type: new Struct(fields), length, nullCount: 0, children });
  return RecordBatchFileWriter.writeAll([new RecordBatch(schema, struct as never)]).toUint8Array(true);
}

describe('rows in the order of the file', () => {
  it('are the same when a shard takes several reads', async () => {
    const directory = await freshFolder();
    const rows = sampleRows(50, 9, 6000);
    await writeCache(directory, rows);
    const reader = await CacheReader.open(directory);
    try {
      expect(reader.manifest.shards[0]!.arrow.bytes).toBeGreaterThan(2 << 20);
      for (const start of [0, 31, 45]) {
        const read = [];
        for await (const row of reader.rows(undefined, start)) read.push(row);
        expect(read).toEqual(rows.slice(start));
      }
    } finally {
      await reader.close();
    }
  });

  it('end with the row that cannot be read, not before', async () => {
    const directory = await freshFolder();
    await writeCache(directory, sampleRows(90));
    const path = join(directory, 'shards/shard-00002.arrow');
    const reader = await CacheReader.open(directory);
    const bytes = await readFile(path);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(path, bytes);
    const read: number[] = [];
    const reading = (async () => {
      for await (const row of reader.rows()) read.push(row.sourceRow);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'cache-damaged' });
    expect(read).toHaveLength(80);
    for await (const row of reader.rows()) {
      // Left while what comes next is on its way.
      if (row.sourceRow === 70) break;
    }
    await reader.close();
  });
});

describe('single rows', () => {
  it('read all at one time, over and over, are each their own', async () => {
    const directory = await freshFolder();
    const rows = sampleRows(90, 10, 400);
    await writeCache(directory, rows);
    const reader = await CacheReader.open(directory);
    try {
      for (let epoch = 0; epoch < 5; epoch++) {
        const order = epochOrder(90, 1, epoch);
        const read = await Promise.all(Array.from(order, (index) => reader.row(index)));
        expect(read).toEqual(Array.from(order, (index) => rows[index]));
        // What the caller does to a row reaches no other.
        for (const row of read) row.chosenIds.fill(7);
        const streamed: CacheRow[] = [];
        for await (const row of reader.rows(order, 50)) streamed.push(row);
        expect(streamed).toEqual(Array.from(order.subarray(50), (index) => rows[index]));
      }
    } finally {
      await reader.close();
    }
  });

  it('may share nothing with memory that is given back', async () => {
    const memory = new ReadMemory({ kept: 1 << 17, inUse: 1 << 20 });
    const [first, second] = [await memory.take(100), await memory.take(70_000)];
    expect([first.length, second.length]).toEqual([100, 70_000]);
    expect(second.buffer).not.toBe(first.buffer);
    memory.giveBack(first);
    memory.giveBack(second);
    // 64 and 128 KiB are more than is kept: the older one went.
    expect((await memory.take(100)).buffer).toBe(second.buffer);
    expect((await memory.take(100)).buffer).not.toBe(first.buffer);
  });

  it('wait for memory beyond what may be in use, in turn, and one that is larger waits for all', async () => {
    const memory = new ReadMemory({ kept: 0, inUse: 1000 });
    const served: number[] = [];
    const ask = (length: number) =>
      memory.take(length).then((bytes) => {
        served.push(length);
        return bytes;
      });
    const asked = [600, 300, 5000, 50].map(ask);
    const [first, second] = [await asked[0]!, await asked[1]!];
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    await settled();
    expect(served).toEqual([600, 300]);
    memory.giveBack(first);
    await settled();
    expect(served).toEqual([600, 300]);
    memory.giveBack(second);
    const third = await asked[2]!;
    await settled();
    expect(served).toEqual([600, 300, 5000]);
    memory.giveBack(third);
    await asked[3];
    expect(served).toEqual([600, 300, 5000, 50]);
  });
});

describe('record batches of very unlike sizes', () => {
  const PIECE = 1 << 20;

  /** Four record batches of more than a piece each, then many that are tiny. */
  function unlikeRows(): CacheRow[] {
    const [small] = sampleRows(1, 11, 1);
    const long = { promptIds: new Int32Array(10_000).fill(5) };
    return Array.from({ length: 32 * 64 }, (_, i) => ({
      ...{ ...small!, ...(i < 4 * 32 ? long : {}), pairId: `pair ${i}`, sourceRow: i },
    }));
  }

  it('are read each by its own size, the small ones together', async () => {
    const rows = unlikeRows();
    const path = join(folder, 'unlike.arrow');
    const content = encodeArrowShard(rows);
    await writeFile(path, content);
    const layout = { rows: rows.length, recordBatchRows: 32 };
    const shard = await ArrowShard.open(await open(path), content.length, path, layout);
    const counts: number[] = [];
    for (let at = 0; at < 64; at += counts.at(-1)!) counts.push(shard.batchesWithin(at, PIECE));
    await shard.close();
    expect(counts).toEqual([1, 1, 1, 1, 60]);
  });

  it('take no read beyond the largest of them, and give every row', async () => {
    const directory = await freshFolder();
    const rows = unlikeRows();
    await writeOneShard(directory, rows);
    const reader = await CacheReader.open(directory);
    await reader.row(0);
    const reads = await spyOnReads(directory);
    try {
      let next = 0;
      for await (const row of reader.rows()) expect(row.sourceRow).toBe(next++);
      expect(next).toBe(rows.length);
      const batch = 32 * 4 * 10_000;
      expect(Math.max(...reads.lengths)).toBeGreaterThan(batch);
      expect(Math.max(...reads.lengths)).toBeLessThan(1.02 * batch);
      expect(reads.lengths).toHaveLength(5);
    } finally {
      reads.restore();
      await reader.close();
    }
  });

  it('above the limit are refused unread, and are not written', async () => {
    const content = encodeArrowShard(sampleRows(20, 12));
    const path = join(folder, 'large.arrow');
    for (const [bodyBytes, outcome] of [
      [200 << 20, 'read'],
      [256 << 20, 'cache-damaged'],
    ] as const) {
      const size = await writeWithBody(path, content, bodyBytes);
      const found = await ArrowShard.open(await open(path), size, path, {
        rows: 20,
        recordBatchRows: 32,
      }).then(
        (shard) => shard.close().then(() => 'read'),
        (error: InputError) => error.code,
      );
      expect(found, String(bodyBytes)).toBe(outcome);
    }
    const [row] = sampleRows(1, 13);
    const long = (tokens: number) => ({ ...row!, promptIds: new Int32Array(tokens) });
    expect(() => refuseLargeBatches(Array<CacheRow>(32).fill(long(2_000_000)), 'shard')).not.toThrow();
    expect(() => refuseLargeBatches(Array<CacheRow>(33).fill(long(2_100_000)), 'shard')).toThrow(InputError);
    const top = { chosenIds: new Int32Array(1_100_000), chosenLogps: new Float32Array(1_100_000) };
    const refTop = { ...top, rejectedIds: new Int32Array(1), rejectedLogps: new Float32Array(1) };
    expect(() => refuseLargeBatches(Array<CacheRow>(32).fill({ ...row!, refTop }), 'shard')).toThrow(
      InputError,
    );
  });
});

/** Writes a cache of one shard. */
async function writeOneShard(directory: string, rows: CacheRow[]): Promise<void> {
  const writer = await CacheWriter.open(directory, sampleInputs({ rowsPerShard: rows.length }));
  await writer.publishShard(rows);
  await writeFile(join(directory, DROPPED_FILE), '');
  await writer.finish({});
  await writer.close();
}

/** Watches the lengths of all reads of files. */
async function spyOnReads(directory: string): Promise<{ lengths: number[]; restore: () => void }> {
  const handle = await open(join(directory, 'manifest.json'));
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const lengths: number[] = [];
  const read: unknown = Reflect.get(prototype, 'read');
  const spy = vi.spyOn(prototype, 'read').mockImplementation(function (
    this: FileHandle,
    ...given: unknown[]
  ) {
    lengths.push(given[2] as number);
    return Reflect.apply(read as () => never, this, given);
  });
  return { lengths, restore: () => spy.mockRestore() };
}

/** An Arrow file whose only record batch claims a body of `bodyBytes`, which are there, as a hole. @returns its size. */
async function writeWithBody(path: string, content: Uint8Array, bodyBytes: number): Promise<number> {
  const view = new DataView(content.slice().buffer);
  const footer = content.length - ARROW_TRAILER_BYTES - view.getUint32(content.length - 10, true);
  const [block] = readFooter(new DataView(view.buffer, footer, content.length - 10 - footer)).blocks;
  const at = Array.from({ length: content.length - 24 - footer }, (_, i) => footer + i).find(
    (i) =>
      view.getBigInt64(i, true) === BigInt(block!.offset) &&
      view.getBigInt64(i + 16, true) === BigInt(block!.bodyBytes),
  )!;
  view.setBigInt64(at + 16, BigInt(bodyBytes), true);
  const handle = await open(path, 'w');
  await handle.write(content.subarray(0, footer), 0, footer, 0);
  await handle.write(new Uint8Array(view.buffer, footer), 0, content.length - footer, footer + bodyBytes);
  await handle.close();
  return content.length + bodyBytes;
}
