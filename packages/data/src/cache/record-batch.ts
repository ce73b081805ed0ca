/**
 * One record batch of a shard as the bytes it was read as. Rows are taken out of it one by one: their lists are views of
 * those bytes, and each is checked when it is taken.
 */
import type { Schema } from 'apache-arrow';
import { arrowSchema } from './arrow-encode.js';
import { readRecordBatchLayout, type ArrowBlock, type RecordBatchLayout } from './arrow-metadata.js';
import { MAX_ID_BYTES, checkCacheRow, sumLogps, type CacheRow } from './cache-row.js';
import { damagedCache } from './manifest.js';
import type { ReferenceTop } from './reference-top.js';

interface Lists<Kind> {
  offsets: Int32Array;
  values: Kind;
}

export class RecordBatch {
  private readonly ids: Lists<Uint8Array>;
  private readonly sourceRows: Int32Array;
  private readonly promptIds: Lists<Int32Array>;
  private readonly chosenIds: Lists<Int32Array>;
  private readonly rejectedIds: Lists<Int32Array>;
  private readonly chosenRefLogps: Lists<Float32Array>;
  private readonly rejectedRefLogps: Lists<Float32Array>;
  private readonly chosenSums: Float64Array;
  private readonly rejectedSums: Float64Array;
  private readonly top: { [list in keyof ReferenceTop]: Lists<ReferenceTop[list]> } | undefined;
  /** All of {@link ids} as one text, '' until it is asked for. */
  private idText = '';

  /**
   * @param bytes the block, whole: metadata and body.
   * @param rows that it must have.
   * @param path named in errors.
   * @param topLogprobs likeliest tokens that the cache holds in the place of each.
   * @throws InputError `cache-damaged`; other errors for bytes that are no record batch.
   */
  constructor(
    bytes: Uint8Array<ArrayBuffer>,
    { metadataBytes, bodyBytes }: ArrowBlock,
    readonly rows: number,
    private readonly path: string,
    private readonly topLogprobs?: number,
  ) {
    const { buffer, byteOffset } = bytes;
    const layout = readRecordBatchLayout(new DataView(buffer, byteOffset, metadataBytes), bodyBytes);
    if (layout.rows !== rows) {
      throw damagedCache(path, `${layout.rows} rows in a record batch`, String(rows));
    }
    const columns = new ColumnReader(
      buffer,
      byteOffset + metadataBytes,
      layout,
      path,
      arrowSchema(topLogprobs !== undefined),
    );
    this.ids = columns.texts();
    this.sourceRows = columns.values(Int32Array);
    this.promptIds = columns.lists(Int32Array);
    this.chosenIds = columns.lists(Int32Array);
    this.rejectedIds = columns.lists(Int32Array);
    this.chosenRefLogps = columns.lists(Float32Array);
    this.rejectedRefLogps = columns.lists(Float32Array);
    this.chosenSums = columns.values(Float64Array);
    this.rejectedSums = columns.values(Float64Array);
    if (topLogprobs === undefined) return;
    this.top = {
      chosenIds: columns.lists(Int32Array),
      chosenLogps: columns.lists(Float32Array),
      rejectedIds: columns.lists(Int32Array),
      rejectedLogps: columns.lists(Float32Array),
    };
  }

  /**
   * Row `index` in [0, rows); its lists are views of this batch's memory.
   * @throws InputError `cache-damaged`, `cache-row-invalid`.
   */
  row(index: number): CacheRow {
    const row: CacheRow = {
      pairId: this.pairId(index),
      sourceRow: this.sourceRows[index]!,
      promptIds: this.list('prompt_ids', this.promptIds, index),
      chosenIds: this.list('chosen_ids', this.chosenIds, index),
      rejectedIds: this.list('rejected_ids', this.rejectedIds, index),
      chosenRefLogps: this.list('chosen_ref_logps', this.chosenRefLogps, index),
      rejectedRefLogps: this.list('rejected_ref_logps', this.rejectedRefLogps, index),
    };
    if (this.top !== undefined) {
      row.refTop = {
        chosenIds: this.list('chosen_ref_top_ids', this.top.chosenIds, index),
        chosenLogps: this.list('chosen_ref_top_logps', this.top.chosenLogps, index),
        rejectedIds: this.list('rejected_ref_top_ids', this.top.rejectedIds, index),
        rejectedLogps: this.list('rejected_ref_top_logps', this.top.rejectedLogps, index),
      };
    }
    checkCacheRow(row, this.path, this.topLogprobs);
    this.compareSum('ref_chosen_logps', this.chosenSums[index]!, row, row.chosenRefLogps);
    this.compareSum('ref_rejected_logps', this.rejectedSums[index]!, row, row.rejectedRefLogps);
    return row;
  }

  /** Where all ids are ASCII they are decoded together: a text for each is slow to make. */
  private pairId(index: number): string {
    const own = this.list('pair_id', this.ids, index);
    if (own.length > MAX_ID_BYTES) {
      throw damagedCache(this.path, `a pair_id of ${own.length} bytes`, `at most ${MAX_ID_BYTES}`);
    }
    const { values, offsets } = this.ids;
    if (values.length > MAX_ID_BYTES) return new TextDecoder().decode(own);
    if (this.idText === '') this.idText = new TextDecoder().decode(values);
    if (this.idText.length !== values.length) return new TextDecoder().decode(own);
    return this.idText.slice(offsets[index], offsets[index + 1]);
  }

  private list<Kind extends Int32Array | Float32Array | Uint8Array>(
    name: string,
    { offsets, values }: Lists<Kind>,
    index: number,
  ): Kind {
    const begin = offsets[index]!;
    const end = offsets[index + 1]!;
    if (begin < 0 || end < begin || end > values.length) {
      const expected = `a range within ${values.length}`;
      throw damagedCache(this.path, `offsets ${begin} to ${end} in ${name}`, expected);
    }
    return values.subarray(begin, end) as Kind;
  }

  private compareSum(column: string, stored: number, { pairId }: CacheRow, logps: Float32Array): void {
    const sum = sumLogps(logps);
    if (stored === sum) return;
    throw damagedCache(this.path, `${column} ${stored} in pair ${pairId}`, `the sum of its list, ${sum}`);
  }
}

type Numbers = Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;
interface NumbersKind<Kind extends Numbers> {
  new (buffer: ArrayBuffer, byteOffset: number, length: number): Kind;
  readonly BYTES_PER_ELEMENT: number;
}

/** Takes the columns of a schema in their order; every one of them has a value in every row. */
class ColumnReader {
  private node = 0;
  private buffer = 0;
  private column = 0;
  private name = '';

  constructor(
    private readonly bytes: ArrayBuffer,
    private readonly bodyBegin: number,
    private readonly layout: RecordBatchLayout,
    private readonly path: string,
    private readonly schema: Schema,
  ) {}

  values<Kind extends Numbers>(kind: NumbersKind<Kind>): Kind {
    this.nextColumn();
    this.buffer++;
    return this.numbers(kind, this.layout.rows);
  }

  lists<Kind extends Numbers>(kind: NumbersKind<Kind>): Lists<Kind> {
    this.nextColumn();
    this.buffer++;
    const offsets = this.numbers(Int32Array, this.layout.rows + 1);
    const length = this.nextLength();
    this.buffer++;
    return { offsets, values: this.numbers(kind, length) };
  }

  texts(): Lists<Uint8Array> {
    this.nextColumn();
    this.buffer++;
    const offsets = this.numbers(Int32Array, this.layout.rows + 1);
    const { offset, bytes } = this.nextBuffer();
    return { offsets, values: new Uint8Array(this.bytes, this.bodyBegin + offset, bytes) };
  }

  private nextColumn(): void {
    this.name = this.schema.fields[this.column++]!.name;
    const length = this.nextLength();
    if (length !== this.layout.rows) this.refuse(`${length} values`, String(this.layout.rows));
  }

  private nextLength(): number {
    const node = this.layout.nodes[this.node++];
    if (node?.nulls !== 0) this.refuse('values missing', 'a value in every row');
    return node.length;
  }

  private nextBuffer(): { offset: number; bytes: number } {
    return this.layout.buffers[this.buffer++] ?? this.refuse('no values', 'values');
  }

  private numbers<Kind extends Numbers>(kind: NumbersKind<Kind>, length: number): Kind {
    const { offset, bytes } = this.nextBuffer();
    if (!(length >= 0 && length * kind.BYTES_PER_ELEMENT <= bytes)) {
      this.refuse(`${length} values in ${bytes} bytes`, `${kind.BYTES_PER_ELEMENT} bytes a value`);
    }
    return new kind(this.bytes, this.bodyBegin + offset, length);
  }

  private refuse(found: string, expected: string): never {
    throw damagedCache(this.path, `column ${this.name} with ${found}`, expected);
  }
}
