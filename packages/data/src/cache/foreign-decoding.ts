/**
 * Decoding the Parquet files of a cache that somebody else may have made, in the worker thread for columnar files: a digest
 * in a manifest says that a file is the one meant, not that its decoder comes to an end.
 */
import { InputError } from '@selective-dpo/foundation';
import type { ColumnarDecoder } from '../rows/columnar-rows.js';
import { damagedCache } from './manifest.js';

/** Longest time that opening a shard, or one of its row groups, may take, in milliseconds. */
export const SHARD_DEADLINE_MS = 30_000;

/**
 * The rows of a Parquet shard as plain values, row group by row group.
 * @param decoder of one shard at a time; the caller closes it.
 * @throws InputError `cache-damaged` for what cannot be decoded, or not in time.
 */
export async function* decodedRows(
  path: string,
  columns: readonly string[],
  decoder: ColumnarDecoder,
  deadlineMs: number = SHARD_DEADLINE_MS,
): AsyncGenerator<Record<string, unknown>> {
  try {
    const task = { file: path, kind: 'parquet', columns } as const;
    for await (const { value } of decoder.rows(task, deadlineMs)) yield value;
  } catch (error) {
    if (!(error instanceof InputError && error.code === 'parquet-unreadable')) throw error;
    const found = `content that is not Parquet (${error.details.found})`;
    throw damagedCache(path, found, 'a Parquet file of a cache');
  }
}
