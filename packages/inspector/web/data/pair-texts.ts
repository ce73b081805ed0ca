/** Texts of the list of pairs, read in blocks as they come into sight. */
import type { ParquetFile } from '../files/parquet-file.js';

export interface PairText {
  pairId: string;
  sourceRow: number;
  /** The end of the prompt; undefined without a tokenizer. */
  opening: string | undefined;
}

/** Rows of `pairs.parquet` read at once; its row groups have 1,024. */
export const TEXT_BLOCK = 1024;

/** The texts of one block. @throws SiteProblem */
export async function readPairTexts(file: ParquetFile, block: number): Promise<PairText[]> {
  const columns = ['pair_id', 'source_row', ...(file.columns.includes('opening') ? ['opening'] : [])];
  const from = block * TEXT_BLOCK;
  const rows = await file.readRows(columns, from, Math.min(file.rows, from + TEXT_BLOCK));
  return rows.map((row) => ({
    pairId: String(row['pair_id']),
    sourceRow: Number(row['source_row']),
    opening: typeof row['opening'] === 'string' ? row['opening'] : undefined,
  }));
}
