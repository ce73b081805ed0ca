/** Checks the values of a shard: every row of its Parquet file against that of its Arrow file. */
import { openRegularFile } from '@selective-dpo/foundation';
import type { ColumnarDecoder } from '../rows/columnar-rows.js';
import { ArrowShard } from './arrow-shard.js';
import { sumLogps, type CacheRow } from './cache-row.js';
import { checkedPath, damagedCache, type CacheManifest, type CacheShard } from './manifest.js';
import { parquetShardRows, type ParquetRow } from './parquet-shard.js';
import type { RecordBatch } from './record-batch.js';

/**
 * Both files' digests must have been checked. Memory: a row group of one, a record batch of the other.
 * @param decoder of one shard at a time.
 * @throws InputError `cache-damaged`, `cache-row-invalid`.
 */
export async function verifyShard(
  directory: string,
  shard: CacheShard,
  { inputs: { topLogprobs }, recordBatchRows }: CacheManifest,
  decoder: ColumnarDecoder,
): Promise<void> {
  const parquetPath = await checkedPath(directory, shard.parquet);
  const arrowPath = await checkedPath(directory, shard.arrow);
  const { handle, size } = await openRegularFile(arrowPath);
  const layout = { rows: shard.rows, recordBatchRows, topLogprobs };
  const arrow = await ArrowShard.open(handle, size, arrowPath, layout);
  try {
    let [index, tokens] = [0, 0];
    let batch: RecordBatch | undefined;
    for await (const parquet of parquetShardRows(parquetPath, topLogprobs !== undefined, decoder)) {
      if (index === shard.rows) throw damagedCache(parquetPath, 'more rows', `${shard.rows} rows`);
      const place = index % recordBatchRows;
      if (place === 0) [batch] = await arrow.recordBatches(index / recordBatchRows, 1);
      const row = batch!.row(place);
      compareRows(row, parquet, parquetPath);
      tokens += row.chosenIds.length + row.rejectedIds.length;
      index++;
    }
    if (index !== shard.rows) throw damagedCache(parquetPath, `${index} rows`, `${shard.rows} rows`);
    if (tokens !== shard.responseTokens)
      throw damagedCache(arrowPath, `${tokens} response tokens`, String(shard.responseTokens));
  } finally {
    await arrow.close();
  }
}

function compareRows(arrow: CacheRow, parquet: Partial<ParquetRow>, file: string): void {
  const lists: [string, ArrayLike<number>, ArrayLike<number | undefined> | undefined][] = [
    ['prompt_ids', arrow.promptIds, parquet.prompt_ids],
    ['chosen_ids', arrow.chosenIds, parquet.chosen_ids],
    ['rejected_ids', arrow.rejectedIds, parquet.rejected_ids],
    ['chosen_ref_logps', arrow.chosenRefLogps, parquet.chosen_ref_logps],
    ['rejected_ref_logps', arrow.rejectedRefLogps, parquet.rejected_ref_logps],
    ['source_row', [arrow.sourceRow], [parquet.source_row]],
    ['ref_chosen_logps', [sumLogps(arrow.chosenRefLogps)], [parquet.ref_chosen_logps]],
    ['ref_rejected_logps', [sumLogps(arrow.rejectedRefLogps)], [parquet.ref_rejected_logps]],
  ];
  if (arrow.refTop !== undefined) {
    lists.push(
      ['chosen_ref_top_ids', arrow.refTop.chosenIds, parquet.chosen_ref_top_ids],
      ['chosen_ref_top_logps', arrow.refTop.chosenLogps, parquet.chosen_ref_top_logps],
      ['rejected_ref_top_ids', arrow.refTop.rejectedIds, parquet.rejected_ref_top_ids],
      ['rejected_ref_top_logps', arrow.refTop.rejectedLogps, parquet.rejected_ref_top_logps],
    );
  }
  const differs = lists.find(([, a, b]) => !equalLists(a, b));
  if (differs === undefined && arrow.pairId === parquet.pair_id) return;
  throw damagedCache(
    file,
    `another ${differs?.[0] ?? 'pair_id'} in pair ${arrow.pairId}`,
    'the values of the Arrow file',
  );
}

/** @param b as decoded: a list that a file leaves out is undefined. */
function equalLists(a: ArrayLike<number>, b: ArrayLike<number | undefined> | undefined): boolean {
  if (a.length !== b?.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
