/** A shard as an Arrow IPC file: uncompressed, in small record batches, so that single rows can be read in place. */
import type { FileHandle } from 'node:fs/promises';
import {
  AsyncRecordBatchFileReader,
  Field,
  Float32,
  Float64,
  Int32,
  List,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchReader,
  Schema,
  Struct,
  Utf8,
  makeData,
  type Data,
} from 'apache-arrow';
import { InputError } from '@selective-dpo/foundation';
import { checkCacheRow, sumLogps, type CacheRow } from './cache-row.js';
import { damagedCache } from './manifest.js';

/** Rows in a record batch: what reading one row costs at most. */
export const RECORD_BATCH_ROWS = 32;

const list = (name: string, item: Int32 | Float32) =>
  new Field(name, new List(new Field('element', item, false)), false);

const SCHEMA = new Schema([
  new Field('pair_id', new Utf8(), false),
  new Field('source_row', new Int32(), false),
  list('prompt_ids', new Int32()),
  list('chosen_ids', new Int32()),
  list('rejected_ids', new Int32()),
  list('chosen_ref_logps', new Float32()),
  list('rejected_ref_logps', new Float32()),
  new Field('ref_chosen_logps', new Float64(), false),
  new Field('ref_rejected_logps', new Float64(), false),
]);

/** The bytes of an Arrow file; equal rows give equal bytes. */
export function encodeArrowShard(rows: readonly CacheRow[]): Uint8Array {
  const batches = [];
  for (let begin = 0; begin < rows.length; begin += RECORD_BATCH_ROWS) {
    batches.push(recordBatch(rows.slice(begin, begin + RECORD_BATCH_ROWS)));
  }
  return RecordBatchFileWriter.writeAll(batches).toUint8Array(true);
}

function recordBatch(rows: readonly CacheRow[]): RecordBatch {
  const length = rows.length;
  const texts = rows.map((row) => new TextEncoder().encode(row.pairId));
  const children = [
    makeData({ type: new Utf8(), length, valueOffsets: offsetsOf(texts), data: joined(texts, Uint8Array) }),
    makeData({ type: new Int32(), length, data: Int32Array.from(rows, (row) => row.sourceRow) }),
    listData(
      rows.map((row) => row.promptIds),
      new Int32(),
      Int32Array,
    ),
    listData(
      rows.map((row) => row.chosenIds),
      new Int32(),
      Int32Array,
    ),
    listData(
      rows.map((row) => row.rejectedIds),
      new Int32(),
      Int32Array,
    ),
    listData(
      rows.map((row) => row.chosenRefLogps),
      new Float32(),
      Float32Array,
    ),
    listData(
      rows.map((row) => row.rejectedRefLogps),
      new Float32(),
      Float32Array,
    ),
    makeData({
      type: new Float64(),
      length,
      data: Float64Array.from(rows, (row) => sumLogps(row.chosenRefLogps)),
    }),
    makeData({
      type: new Float64(),
      length,
      data: Float64Array.from(rows, (row) => sumLogps(row.rejectedRefLogps)),
    }),
  ];
  const struct = makeData({
    type: new Struct(SCHEMA.fields),
    length,
    nullCount: 0,
    children: children as Data[],
  });
  return new RecordBatch(SCHEMA, struct as never);
}

type Values = Int32Array | Float32Array | Uint8Array;

function offsetsOf(lists: readonly Values[]): Int32Array {
  const offsets = new Int32Array(lists.length + 1);
  lists.forEach((values, i) => (offsets[i + 1] = offsets[i]! + values.length));
  return offsets;
}

function joined<Kind extends Values>(lists: readonly Kind[], kind: new (length: number) => Kind): Kind {
  const offsets = offsetsOf(lists);
  const all = new kind(offsets.at(-1)!);
  lists.forEach((values, i) => all.set(values as never, offsets[i]));
  return all;
}

function listData<Kind extends Values>(
  lists: readonly Kind[],
  item: Int32 | Float32,
  kind: new (length: number) => Kind,
): Data {
  const data = joined(lists, kind);
  const child = makeData({ type: item as Int32, length: data.length, data: data as unknown as Int32Array });
  return makeData({
    type: new List(new Field('element', item as Int32, false)),
    length: lists.length,
    valueOffsets: offsetsOf(lists),
    child,
  });
}

/** Reads single record batches of an Arrow shard by position. The file's digest must have been checked before. */
export class ArrowShard {
  /** Batches are read one after the other: the library's reader keeps its place in a field. */
  private queue: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly handle: FileHandle,
    private readonly reader: AsyncRecordBatchFileReader,
    private readonly path: string,
  ) {}

  /**
   * Takes over the handle.
   * @throws InputError `cache-without-token-logps`; `cache-damaged` for other columns than the cache's.
   */
  static async open(handle: FileHandle, path: string): Promise<ArrowShard> {
    const reader = (await RecordBatchReader.from(handle as never)) as unknown as AsyncRecordBatchFileReader;
    await reader.open();
    refuseSumsOnly(reader.schema, path);
    const names = reader.schema.fields.map((field) => `${field.name} ${String(field.type)}`).join(', ');
    const expected = SCHEMA.fields.map((field) => `${field.name} ${String(field.type)}`).join(', ');
    if (names !== expected) throw damagedCache(path, `columns ${names}`, `columns ${expected}`);
    return new ArrowShard(handle, reader, path);
  }

  /** The rows of one record batch; their lists are views of the batch's memory. */
  async rows(batchIndex: number): Promise<CacheRow[]> {
    const read = this.queue.then(() => this.reader.readRecordBatch(batchIndex));
    this.queue = read.catch(() => undefined);
    const batch = await read;
    if (batch === null) throw damagedCache(this.path, `no record batch ${batchIndex}`, 'one');
    const column = (name: string): Data => batch.getChild(name)!.data[0]!;
    const ids = batch.getChild('pair_id')!;
    const sourceRows = column('source_row').values as Int32Array;
    const lists = {
      promptIds: listsOf(column('prompt_ids')) as Int32Array[],
      chosenIds: listsOf(column('chosen_ids')) as Int32Array[],
      rejectedIds: listsOf(column('rejected_ids')) as Int32Array[],
      chosenRefLogps: listsOf(column('chosen_ref_logps')) as Float32Array[],
      rejectedRefLogps: listsOf(column('rejected_ref_logps')) as Float32Array[],
    };
    return Array.from({ length: batch.numRows }, (_, i) => {
      const row: CacheRow = {
        pairId: String(ids.get(i)),
        sourceRow: sourceRows[i]!,
        promptIds: lists.promptIds[i]!,
        chosenIds: lists.chosenIds[i]!,
        rejectedIds: lists.rejectedIds[i]!,
        chosenRefLogps: lists.chosenRefLogps[i]!,
        rejectedRefLogps: lists.rejectedRefLogps[i]!,
      };
      checkCacheRow(row, this.path);
      return row;
    });
  }

  async close(): Promise<void> {
    await this.queue;
    await this.handle.close().catch(() => undefined);
  }
}

/** Sums alone cannot select tokens: trained on, they would give plain DPO without a word (METHOD.md, trap 1). */
function refuseSumsOnly(schema: Schema, file: string): void {
  const names = schema.fields.map((field) => field.name);
  if (names.includes('chosen_ref_logps') && names.includes('rejected_ref_logps')) return;
  throw new InputError('cache-without-token-logps', 'the cache holds no log-prob of every token', {
    file,
    found: `columns ${names.join(', ')}`,
    expected: 'chosen_ref_logps and rejected_ref_logps',
    hint: 'tokens cannot be selected from sums; score the dataset with sdpo score',
  });
}

function listsOf(data: Data): (Int32Array | Float32Array)[] {
  const values = data.children[0]!.values as Int32Array | Float32Array;
  const offsets = data.valueOffsets as Int32Array;
  return Array.from({ length: data.length }, (_, i) => values.subarray(offsets[i], offsets[i + 1]));
}
