/** What the thread that decodes columnar files and the thread that reads their rows say to each other. */

export type ColumnarKind = 'parquet' | 'arrow-file' | 'arrow-stream';

export interface ColumnarTask {
  file: string;
  kind: ColumnarKind;
  /** Names of the columns to decode, where the file has them. */
  columns: readonly string[];
  /** Longest field that can be used; of a longer one a part will do that is longer than that. */
  longest?: number | undefined;
}

/** What the decoder is told: the file to turn to, then `'next'` for each answer. */
export type ColumnarMessage = ColumnarTask | 'next';

/** The answers; the first on a file is `schema`. */
export type ColumnarAnswer =
  | { type: 'schema'; fields: string[] }
  /** Column names, and for each row their values in that order. */
  | { type: 'rows'; columns: string[]; rows: unknown[][] }
  | { type: 'end' }
  | { type: 'unreadable'; found: string; rowGroup?: number };

/**
 * Most rows of a file: a column of nulls takes next to nothing, and a few bytes may claim any number of them.
 * @param bytes of the file.
 */
export function maxRows(bytes: number): number {
  return 64 * bytes + 1_000_000;
}
