export {
  CACHE_SCHEMA_VERSION,
  SERVED_NAME,
  describeReference,
  refuseOtherInputs,
  type CacheInputs,
} from './cache-inputs.js';
export { checkCacheRow, sumLogps, type CacheRow } from './cache-row.js';
export { MAX_TOP_LOGPROBS, type ReferenceTop } from './reference-top.js';
export {
  DROPPED_FILE,
  MANIFEST_FILE,
  checkedPath,
  damagedCache,
  readManifest,
  refuseManyShards,
  rescoredOf,
  verifiedPath,
  type CacheFile,
  type CacheManifest,
  type CacheShard,
  type Rescored,
} from './manifest.js';
export { CacheWriter } from './cache-writer.js';
export { WorkerPart, beginWorkers, type WorkerIndex } from './worker-part.js';
export { mergeCache, type MergedCache } from './merge-cache.js';
export { CacheReader, type CacheReaderOptions } from './cache-reader.js';
export { templateInstantOf } from './template-instant.js';
export { epochOrder, splitRows } from './epoch-order.js';
export { verifyCache, type CacheVerification, type VerifyOptions } from './verify-cache.js';
export { cacheInfo, type CacheInfo } from './cache-info.js';
export { isWeakReference, wilsonInterval } from './reference-order.js';
export { CACHE_COLUMNS, encodeParquetShard } from './parquet-shard.js';
export { sealedText } from './sealed-helper.js';
export { INPUTS_FILE, SHARDS_FOLDER, sidecarText } from './unfinished-cache.js';
export { ParquetTable, type ParquetColumn } from './parquet-table.js';
