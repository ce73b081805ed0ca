/** A shard as Parquet with true list columns, for DuckDB, pandas, Spark and everybody else. */
import { sumLogps, type CacheRow } from './cache-row.js';
import { decodedRows } from './foreign-decoding.js';
import { ParquetTable } from './parquet-table.js';

const ids = { type: 'INT32', repeated: true, compression: 'SNAPPY' } as const;
const logps = { type: 'FLOAT', repeated: true, compression: 'SNAPPY' } as const;

const SCHEMA = {
  pair_id: { type: 'UTF8', compression: 'SNAPPY' },
  source_row: { type: 'INT32', compression: 'SNAPPY' },
  prompt_ids: ids,
  chosen_ids: ids,
  rejected_ids: ids,
  chosen_ref_logps: logps,
  rejected_ref_logps: logps,
  ref_chosen_logps: { type: 'DOUBLE', compression: 'SNAPPY' },
  ref_rejected_logps: { type: 'DOUBLE', compression: 'SNAPPY' },
} as const;

/** Names of the columns, in order. */
export const CACHE_COLUMNS = Object.keys(SCHEMA);

/** The bytes of a Parquet file; equal rows give equal bytes. */
export async function encodeParquetShard(rows: readonly CacheRow[]): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const table = await ParquetTable.open(SCHEMA, (bytes) => {
    pieces.push(bytes);
  });
  for (const row of rows) {
    // Typed arrays must become plain arrays: the library cuts a Float32Array to one element without a word.
    await table.append({
      pair_id: row.pairId,
      source_row: row.sourceRow,
      prompt_ids: Array.from(row.promptIds),
      chosen_ids: Array.from(row.chosenIds),
      rejected_ids: Array.from(row.rejectedIds),
      chosen_ref_logps: Array.from(row.chosenRefLogps),
      rejected_ref_logps: Array.from(row.rejectedRefLogps),
      ref_chosen_logps: sumLogps(row.chosenRefLogps),
      ref_rejected_logps: sumLogps(row.rejectedRefLogps),
    });
  }
  await table.close();
  return Buffer.concat(pieces);
}

/** A row as the Parquet file holds it. */
export interface ParquetRow {
  pair_id: string;
  source_row: number;
  prompt_ids: number[];
  chosen_ids: number[];
  rejected_ids: number[];
  chosen_ref_logps: number[];
  rejected_ref_logps: number[];
  ref_chosen_logps: number;
  ref_rejected_logps: number;
}

/**
 * The rows of a shard, up to the first above `most`.
 * @throws InputError `cache-damaged` for what cannot be decoded.
 */
export async function readParquetShard(path: string, most: number): Promise<Partial<ParquetRow>[]> {
  const rows: Partial<ParquetRow>[] = [];
  for await (const row of decodedRows(path, CACHE_COLUMNS)) {
    rows.push(row);
    if (rows.length > most) break;
  }
  return rows;
}
