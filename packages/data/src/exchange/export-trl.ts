/**
 * A cache as one Parquet file of the columns that TRL's DPOTrainer has after tokenising and precomputing: `prompt_ids`, `chosen_ids`,
 * `rejected_ids`, and per answer the sum of its log-probs, `ref_chosen_logps` and `ref_rejected_logps`. Source: TRL 1.13,
 * `DPOTrainer._precompute_ref_logps`, whose values are float32.
 */
import {
  InputError,
  Interrupted,
  ProgressMeter,
  kindOf,
  publishFile,
  refuseInside,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { CacheReader } from '../cache/cache-reader.js';
import { sumLogps } from '../cache/cache-row.js';
import { ParquetTable, type ParquetColumn } from '../cache/parquet-table.js';

const ids = { type: 'INT32', repeated: true, compression: 'SNAPPY' } as const;
const sum = { type: 'FLOAT', compression: 'SNAPPY' } as const;
const COLUMNS: Readonly<Record<string, ParquetColumn>> = {
  ...{ prompt_ids: ids, chosen_ids: ids, rejected_ids: ids },
  ...{ ref_chosen_logps: sum, ref_rejected_logps: sum },
};

/** Rows between two events of progress. */
const ROWS_A_STEP = 1000;

export interface ExportOptions {
  listener?: ProgressListener | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Writes the file, whole or not at all. Memory: a record batch of the cache and a row group of the file.
 * @param file nothing may be there yet.
 * @returns pairs written.
 * @throws InputError `already-exists`, `output-inside-input`, those of the cache and of the file system; Interrupted.
 */
export async function exportTrl(
  cacheDirectory: string,
  file: string,
  { listener, signal }: ExportOptions = {},
): Promise<number> {
  await refuseInside(file, cacheDirectory);
  if ((await kindOf(file)) !== undefined) {
    const hint = 'choose another --out, or remove it';
    throw new InputError('already-exists', 'something of that name is there already', { file, hint });
  }
  const cache = await CacheReader.open(cacheDirectory);
  try {
    await publishFile(file, async (handle) => {
      const table = await ParquetTable.open(COLUMNS, async (bytes) => {
        await handle.appendFile(bytes);
      });
      const meter = new ProgressMeter('export', 'pairs', cache.rowCount);
      let pairs = 0;
      for await (const row of cache.rows()) {
        if (signal?.aborted === true)
          throw new Interrupted('stopped; nothing was written', 'run the same command again');
        await table.append({
          prompt_ids: Array.from(row.promptIds),
          chosen_ids: Array.from(row.chosenIds),
          rejected_ids: Array.from(row.rejectedIds),
          ref_chosen_logps: sumLogps(row.chosenRefLogps),
          ref_rejected_logps: sumLogps(row.rejectedRefLogps),
        });
        if (++pairs % ROWS_A_STEP === 0 || pairs === cache.rowCount)
          listener?.(meter.advance(((pairs - 1) % ROWS_A_STEP) + 1));
      }
      await table.close();
    });
    return cache.rowCount;
  } finally {
    await cache.close();
  }
}
