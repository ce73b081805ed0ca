/** Writes a shard as an Arrow IPC file: uncompressed, in small record batches, so that single rows can be read in place. */
import {
  Field,
  Float32,
  Float64,
  Int32,
  List,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  Utf8,
  makeData,
  type Data,
} from 'apache-arrow';
import { InputError, formatByteSize } from '@selective-dpo/foundation';
import { sumLogps, type CacheRow } from './cache-row.js';

/** Rows in a record batch: what reading one row costs at most. */
export const RECORD_BATCH_ROWS = 32;

/**
 * Largest record batch that is written or read: {@link RECORD_BATCH_ROWS} rows of 8 MiB, which are a million response tokens
 * a row, two million of a prompt, or 8,000 response tokens with 128 likeliest ones each. A reader may hold two of them.
 */
export const MAX_BATCH_BYTES = RECORD_BATCH_ROWS << 23;
/** Of a record batch, beside its values, at most: metadata, offsets, what fills up buffers. */
const OTHER_BATCH_BYTES = 1 << 16;

const list = (name: string, item: Int32 | Float32) =>
  new Field(name, new List(new Field('element', item, false)), false);

const FIELDS = [
  new Field('pair_id', new Utf8(), false),
  new Field('source_row', new Int32(), false),
  list('prompt_ids', new Int32()),
  list('chosen_ids', new Int32()),
  list('rejected_ids', new Int32()),
  list('chosen_ref_logps', new Float32()),
  list('rejected_ref_logps', new Float32()),
  new Field('ref_chosen_logps', new Float64(), false),
  new Field('ref_rejected_logps', new Float64(), false),
];

const SCHEMA = new Schema(FIELDS);
const SCHEMA_WITH_TOP = new Schema([
  ...FIELDS,
  list('chosen_ref_top_ids', new Int32()),
  list('chosen_ref_top_logps', new Float32()),
  list('rejected_ref_top_ids', new Int32()),
  list('rejected_ref_top_logps', new Float32()),
]);

/** The columns of a shard, without or with the reference's likeliest tokens. */
export function arrowSchema(withTop: boolean): Schema {
  return withTop ? SCHEMA_WITH_TOP : SCHEMA;
}

/** The bytes of an Arrow file; equal rows give equal bytes. All rows have `refTop`, or none has. */
export function encodeArrowShard(rows: readonly CacheRow[]): Uint8Array {
  const batches = [];
  for (let begin = 0; begin < rows.length; begin += RECORD_BATCH_ROWS) {
    batches.push(recordBatch(rows.slice(begin, begin + RECORD_BATCH_ROWS)));
  }
  return RecordBatchFileWriter.writeAll(batches).toUint8Array(true);
}

/**
 * Checks that record batches of these rows can be read again.
 * @param file named in the error.
 * @throws InputError `cache-rows-too-large`.
 */
export function refuseLargeBatches(rows: readonly CacheRow[], file: string): void {
  for (let begin = 0; begin < rows.length; begin += RECORD_BATCH_ROWS) {
    const batch = rows.slice(begin, begin + RECORD_BATCH_ROWS);
    const bytes = batch.reduce((sum, row) => sum + bytesOf(row), OTHER_BATCH_BYTES);
    if (bytes <= MAX_BATCH_BYTES) continue;
    throw new InputError('cache-rows-too-large', 'rows are too long for a cache', {
      file,
      row: batch[0]!.sourceRow,
      found: `${formatByteSize(bytes)} in ${batch.length} rows from this one on`,
      expected: `at most ${formatByteSize(MAX_BATCH_BYTES)}`,
      hint: 'score with a smaller --max-length or --top-logprobs',
    });
  }
}

function bytesOf({ pairId, promptIds, chosenIds, rejectedIds, refTop }: CacheRow): number {
  const likeliest = refTop === undefined ? 0 : refTop.chosenIds.length + refTop.rejectedIds.length;
  const pairs = chosenIds.length + rejectedIds.length + likeliest;
  return Buffer.byteLength(pairId) + 4 * promptIds.length + 8 * pairs;
}

function recordBatch(rows: readonly CacheRow[]): RecordBatch {
  const length = rows.length;
  const texts = rows.map((row) => new TextEncoder().encode(row.pairId));
  const ints = (pick: (row: CacheRow) => Int32Array) => listData(rows.map(pick), new Int32(), Int32Array);
  const floats = (pick: (row: CacheRow) => Float32Array) =>
    listData(rows.map(pick), new Float32(), Float32Array);
  const doubles = (pick: (row: CacheRow) => number) =>
    makeData({ type: new Float64(), length, data: Float64Array.from(rows, pick) });
  const children: Data[] = [
    makeData({ type: new Utf8(), length, valueOffsets: offsetsOf(texts), data: joined(texts, Uint8Array) }),
    makeData({ type: new Int32(), length, data: Int32Array.from(rows, (row) => row.sourceRow) }),
    ints((row) => row.promptIds),
    ints((row) => row.chosenIds),
    ints((row) => row.rejectedIds),
    floats((row) => row.chosenRefLogps),
    floats((row) => row.rejectedRefLogps),
    doubles((row) => sumLogps(row.chosenRefLogps)),
    doubles((row) => sumLogps(row.rejectedRefLogps)),
  ];
  const withTop = rows[0]!.refTop !== undefined;
  if (withTop) {
    children.push(
      ints((row) => row.refTop!.chosenIds),
      floats((row) => row.refTop!.chosenLogps),
      ints((row) => row.refTop!.rejectedIds),
      floats((row) => row.refTop!.rejectedLogps),
    );
  }
  const schema = arrowSchema(withTop);
  const struct = makeData({ type: new Struct(schema.fields), length, nullCount: 0, children });
  return new RecordBatch(schema, struct as never);
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
