/** A shard as Parquet with true list columns, for DuckDB, pandas, Spark and everybody else. */
import { sumLogps, type CacheRow } from './cache-row.js';
import type { ColumnarDecoder } from '../rows/columnar-rows.js';
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

const TOP_SCHEMA = {
  chosen_ref_top_ids: ids,
  chosen_ref_top_logps: logps,
  rejected_ref_top_ids: ids,
  rejected_ref_top_logps: logps,
} as const;

/** Names of the columns that every cache has, in order. */
export const CACHE_COLUMNS = Object.keys(SCHEMA);
/** Names of those behind them in caches with the reference's likeliest tokens. */
export const TOP_COLUMNS = Object.keys(TOP_SCHEMA);

/** The bytes of a Parquet file; equal rows give equal bytes. All rows have `refTop`, or none has. */
export async function encodeParquetShard(rows: readonly CacheRow[]): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const schema = rows[0]?.refTop === undefined ? SCHEMA : { ...SCHEMA, ...TOP_SCHEMA };
  const table = await ParquetTable.open(schema, (bytes) => {
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
      ...(row.refTop && {
        chosen_ref_top_ids: Array.from(row.refTop.chosenIds),
        chosen_ref_top_logps: Array.from(row.refTop.chosenLogps),
        rejected_ref_top_ids: Array.from(row.refTop.rejectedIds),
        rejected_ref_top_logps: Array.from(row.refTop.rejectedLogps),
      }),
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
  chosen_ref_top_ids: number[];
  chosen_ref_top_logps: number[];
  rejected_ref_top_ids: number[];
  rejected_ref_top_logps: number[];
}

/**
 * The rows of a shard, one after the other.
 * @param withTop whether the cache holds the reference's likeliest tokens.
 * @param decoder of one shard at a time; the caller closes it.
 * @throws InputError `cache-damaged` for what cannot be decoded.
 */
export function parquetShardRows(
  path: string,
  withTop: boolean,
  decoder: ColumnarDecoder,
): AsyncGenerator<Partial<ParquetRow>> {
  return decodedRows(path, withTop ? [...CACHE_COLUMNS, ...TOP_COLUMNS] : CACHE_COLUMNS, decoder);
}
