/** Reading Arrow in place, beside the Arrow library as the plain version. */
import { mkdtemp, open, readFile, writeFile } from 'node:fs/promises';
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
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeArrowShard } from '../../src/cache/arrow-encode.js';
import { ArrowShard } from '../../src/cache/arrow-shard.js';
import { CacheReader, epochOrder, type CacheRow } from '../../src/cache/index.js';
import { ReadMemory } from '../../src/cache/read-memory.js';
import { freshFolder, sampleRows, writeCache } from './sample-cache.js';

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

  it('may share nothing with memory that is given back', () => {
    const memory = new ReadMemory(1 << 17);
    const [first, second] = [memory.take(100), memory.take(70_000)];
    expect([first.length, second.length]).toEqual([100, 70_000]);
    expect(second.buffer).not.toBe(first.buffer);
    memory.giveBack(first);
    memory.giveBack(second);
    // 64 and 128 KiB are more than is kept: the older one went.
    expect(memory.take(100).buffer).toBe(second.buffer);
    expect(memory.take(100).buffer).not.toBe(first.buffer);
  });
});
