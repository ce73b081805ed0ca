/** The readers of bytes from strangers by themselves, for those who try them: packages/fuzz. */
export { decodeArrow } from './rows/arrow-decoder.js';
export { columnarRows } from './rows/columnar-rows.js';
export type { ColumnarAnswer, ColumnarKind } from './rows/columnar-protocol.js';
export { decodeParquet } from './rows/parquet-decoder.js';
export { LAYOUT_FIELDS } from './rows/layout.js';
export { encodeArrowShard } from './cache/arrow-encode.js';
export { ArrowShard } from './cache/arrow-shard.js';
