/**
 * Reads an Arrow shard in place, one record batch at a time. Its digest must have been checked before, and that its
 * batches can be read to an end (see refuseEndlessArrow); what it decodes to is checked all the same, since a digest proves who wrote a file, not that its writer was sound.
 */
import type { FileHandle } from 'node:fs/promises';
import {
  RecordBatchReader,
  type AsyncRecordBatchFileReader,
  type Data,
  type RecordBatch,
  type Schema,
} from 'apache-arrow';
import { InputError, explainSystemError } from '@selective-dpo/foundation';
import { ARROW_SCHEMA } from './arrow-encode.js';
import { checkCacheRow, sumLogps, type CacheRow } from './cache-row.js';
import { damagedCache } from './manifest.js';

/** What the manifest says of a shard's layout. */
export interface ShardLayout {
  rows: number;
  /** Rows in a record batch; the last of a shard may have fewer. */
  recordBatchRows: number;
}

export class ArrowShard {
  /** Batches are read one after the other: the library's reader keeps its place in a field. */
  private queue: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly handle: FileHandle,
    private readonly reader: AsyncRecordBatchFileReader,
    private readonly path: string,
    private readonly layout: ShardLayout,
  ) {}

  /**
   * Takes over the handle, and closes it when it throws.
   * @throws InputError `cache-without-token-logps`; `cache-damaged` for other columns or another number of batches.
   */
  static async open(handle: FileHandle, path: string, layout: ShardLayout): Promise<ArrowShard> {
    try {
      const reader = await decoding(path, async () => {
        const made = (await RecordBatchReader.from(handle as never)) as unknown as AsyncRecordBatchFileReader;
        const opened = await made.open();
        refuseOtherColumns(opened.schema as Schema | undefined, path);
        return opened;
      });
      const batches = Math.ceil(layout.rows / layout.recordBatchRows);
      if (reader.numRecordBatches !== batches) {
        throw damagedCache(path, `${reader.numRecordBatches} record batches`, String(batches));
      }
      return new ArrowShard(handle, reader, path, layout);
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
  }

  /**
   * The rows of one record batch; their lists are views of the batch's memory.
   * @throws InputError `cache-damaged`, `cache-row-invalid`.
   */
  async rows(batchIndex: number): Promise<CacheRow[]> {
    const read = this.queue.then(() =>
      decoding(this.path, async () => this.reader.readRecordBatch(batchIndex)),
    );
    this.queue = read.catch(() => undefined);
    const batch = await read;
    const expected = Math.min(
      this.layout.recordBatchRows,
      this.layout.rows - batchIndex * this.layout.recordBatchRows,
    );
    if (batch?.numRows !== expected) {
      throw damagedCache(
        this.path,
        `${batch?.numRows ?? 'no'} rows in record batch ${batchIndex}`,
        String(expected),
      );
    }
    return decoding(this.path, async () => new BatchDecoder(batch, this.path).rows());
  }

  async close(): Promise<void> {
    await this.queue;
    await this.handle.close().catch(() => undefined);
  }
}

/** Takes a record batch apart by its columns. */
class BatchDecoder {
  constructor(
    private readonly batch: RecordBatch,
    private readonly path: string,
  ) {}

  rows(): CacheRow[] {
    const ids = this.lists<Uint8Array>('pair_id');
    const sourceRows = this.values<Int32Array>('source_row');
    const promptIds = this.lists<Int32Array>('prompt_ids');
    const chosenIds = this.lists<Int32Array>('chosen_ids');
    const rejectedIds = this.lists<Int32Array>('rejected_ids');
    const chosenRefLogps = this.lists<Float32Array>('chosen_ref_logps');
    const rejectedRefLogps = this.lists<Float32Array>('rejected_ref_logps');
    const chosenSums = this.values<Float64Array>('ref_chosen_logps');
    const rejectedSums = this.values<Float64Array>('ref_rejected_logps');
    const text = new TextDecoder();
    return Array.from({ length: this.batch.numRows }, (_, i) => {
      const row: CacheRow = {
        pairId: text.decode(ids[i]),
        sourceRow: sourceRows[i]!,
        promptIds: promptIds[i]!,
        chosenIds: chosenIds[i]!,
        rejectedIds: rejectedIds[i]!,
        chosenRefLogps: chosenRefLogps[i]!,
        rejectedRefLogps: rejectedRefLogps[i]!,
      };
      checkCacheRow(row, this.path);
      this.compareSum('ref_chosen_logps', chosenSums[i]!, row, row.chosenRefLogps);
      this.compareSum('ref_rejected_logps', rejectedSums[i]!, row, row.rejectedRefLogps);
      return row;
    });
  }

  private compareSum(column: string, stored: number, { pairId }: CacheRow, logps: Float32Array): void {
    const sum = sumLogps(logps);
    if (stored === sum) return;
    throw damagedCache(this.path, `${column} ${stored} in pair ${pairId}`, `the sum of its list, ${sum}`);
  }

  private column(name: string): Data {
    const data = this.batch.getChild(name)?.data[0];
    if (data === undefined || data.length !== this.batch.numRows || data.nullCount > 0) {
      throw damagedCache(this.path, `column ${name} with values missing`, `${this.batch.numRows} values`);
    }
    return data;
  }

  private values<Kind extends Int32Array | Float64Array>(name: string): Kind {
    const values = this.column(name).values as Kind;
    if (values.length < this.batch.numRows) {
      throw damagedCache(this.path, `${values.length} values in ${name}`, String(this.batch.numRows));
    }
    return values;
  }

  /** Views of a list column's (or a text column's) elements, once their offsets are known to lie inside it. */
  private lists<Kind extends Int32Array | Float32Array | Uint8Array>(name: string): Kind[] {
    const data = this.column(name);
    const values = (data.children[0] ?? data).values as Kind;
    const offsets = data.valueOffsets as Int32Array;
    return Array.from({ length: data.length }, (_, i) => {
      const [begin, end] = [offsets[i] ?? -1, offsets[i + 1] ?? -1];
      if (begin < 0 || end < begin || end > values.length) {
        throw damagedCache(
          this.path,
          `offsets ${begin} to ${end} in ${name}`,
          `a range within ${values.length}`,
        );
      }
      return values.subarray(begin, end) as Kind;
    });
  }
}

/** Sums alone cannot select tokens: trained on, they would give plain DPO without a word (METHOD.md, trap 1). */
function refuseOtherColumns(schema: Schema | undefined, file: string): void {
  const fields = schema?.fields ?? [];
  const names = fields.map((field) => field.name);
  if (names.length > 0 && !(names.includes('chosen_ref_logps') && names.includes('rejected_ref_logps'))) {
    throw new InputError('cache-without-token-logps', 'the cache holds no log-prob of every token', {
      file,
      found: `columns ${names.join(', ')}`,
      expected: 'chosen_ref_logps and rejected_ref_logps',
      hint:
        'tokens cannot be selected from sums over a response, training would silently be plain DPO; ' +
        'score the dataset with sdpo score',
    });
  }
  const describe = (list: Schema['fields']) =>
    list.map((field) => `${field.name} ${String(field.type)}`).join(', ');
  if (describe(fields) !== describe(ARROW_SCHEMA.fields)) {
    throw damagedCache(file, `columns ${describe(fields)}`, `columns ${describe(ARROW_SCHEMA.fields)}`);
  }
}

/** Failures of the decoder become errors about the file. */
async function decoding<T>(path: string, decode: () => Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (error) {
    if (error instanceof InputError) throw error;
    const explained = explainSystemError(error, path);
    if (explained instanceof InputError) throw explained;
    throw damagedCache(
      path,
      `content that is not Arrow (${(error as Error).message})`,
      'an Arrow file of a cache',
    );
  }
}
