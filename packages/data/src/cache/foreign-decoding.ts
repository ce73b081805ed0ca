/**
 * Decoding files of a cache that somebody else may have made, in the worker thread for columnar files: a digest in a
 * manifest says that a file is the one meant, not that its decoder comes to an end.
 */
import { InputError } from '@selective-dpo/foundation';
import type { ColumnarKind } from '../rows/columnar-protocol.js';
import { columnarRows } from '../rows/columnar-rows.js';
import { damagedCache } from './manifest.js';

/** Longest time that opening a shard, or one of its batches or row groups, may take, in milliseconds. */
export const SHARD_DEADLINE_MS = 30_000;

/**
 * The rows of a shard as plain values, batch by batch.
 * @throws InputError `cache-damaged` for what cannot be decoded, or not in time.
 */
export async function* decodedRows(
  path: string,
  kind: ColumnarKind,
  columns: readonly string[],
  deadlineMs: number = SHARD_DEADLINE_MS,
): AsyncGenerator<Record<string, unknown>> {
  try {
    for await (const { value } of columnarRows(path, kind, columns, deadlineMs)) yield value;
  } catch (error) {
    if (!(error instanceof InputError && /^(?:arrow|parquet)-unreadable$/.test(error.code))) throw error;
    const name = kind === 'parquet' ? 'Parquet' : 'Arrow';
    throw damagedCache(
      path,
      `content that is not ${name} (${error.details.found})`,
      kind === 'parquet' ? 'a Parquet file of a cache' : 'an Arrow file of a cache',
    );
  }
}
