/** Both files of a shard and the sidecar that makes it count. */
import { join } from 'node:path';
import { publishBytes, sha256 } from '@selective-dpo/foundation';
import { encodeArrowShard, refuseLargeBatches } from './arrow-encode.js';
import type { CacheInputs } from './cache-inputs.js';
import { checkCacheRow, type CacheRow } from './cache-row.js';
import type { CacheFile, CacheShard, Rescored } from './manifest.js';
import { encodeParquetShard } from './parquet-shard.js';
import { publishSidecar, shardStem } from './unfinished-cache.js';

/**
 * Publishes shard `index`. Equal rows give equal bytes: who publishes it again changes nothing.
 * @param rescored what asking for some of them a second time gave.
 * @throws InputError `cache-row-invalid`, `cache-rows-too-large`, `disk-full`, …
 */
export async function publishShardFiles(
  directory: string,
  index: number,
  rows: readonly CacheRow[],
  inputs: CacheInputs,
  rescored?: Rescored,
): Promise<CacheShard> {
  const stem = shardStem(index);
  for (const row of rows) checkCacheRow(row, join(directory, stem), inputs.topLogprobs);
  refuseLargeBatches(rows, join(directory, stem));
  const parquet = await publishData(directory, `${stem}.parquet`, await encodeParquetShard(rows));
  const arrow = await publishData(directory, `${stem}.arrow`, encodeArrowShard(rows));
  const responseTokens = rows.reduce((sum, row) => sum + row.chosenIds.length + row.rejectedIds.length, 0);
  const shard: CacheShard = {
    ...{ rows: rows.length, responseTokens, parquet, arrow },
    ...(rescored && { rescored }),
  };
  await publishSidecar(directory, index, shard, inputs);
  return shard;
}

async function publishData(directory: string, name: string, bytes: Uint8Array): Promise<CacheFile> {
  await publishBytes(join(directory, name), bytes);
  return { name, bytes: bytes.length, sha256: sha256(bytes) };
}
