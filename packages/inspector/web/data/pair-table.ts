/** The numbers of all pairs, in typed arrays: 37 bytes a pair. */
import type { ParquetFile } from '../files/parquet-file.js';
import { SiteProblem } from '../files/site-problem.js';

/** What a pair has in common with an earlier one, by its number here. */
export const DUPLICATE_KINDS = ['none', 'pair', 'swapped', 'prompt', 'near'] as const;
export type DuplicateKind = (typeof DUPLICATE_KINDS)[number];

export interface PairTable {
  /** Pairs in the table. */
  rows: number;
  /** [rows] each. Place in the cache, ascending. */
  pairIndex: Int32Array;
  promptTokens: Int32Array;
  chosenTokens: Int32Array;
  rejectedTokens: Int32Array;
  /** Sums in nats. */
  refChosen: Float64Array;
  refRejected: Float64Array;
  /** Of the earlier pair, −1 for none. */
  duplicateOf: Int32Array;
  /** A place in {@link DUPLICATE_KINDS}. */
  duplicateKind: Uint8Array;
}

/** More pairs than this have no room in a page. */
const MAX_ROWS = 5_000_000;
/** Contiguous in the file, the texts on both sides left out. */
const NUMBERS = {
  prompt_tokens: 'promptTokens',
  chosen_tokens: 'chosenTokens',
  rejected_tokens: 'rejectedTokens',
  ref_chosen_logps: 'refChosen',
  ref_rejected_logps: 'refRejected',
} as const;

/** Reads the numbers of `pairs.parquet`. @param cacheRows pairs of the cache; fewer in the file are a sample of them. */
export async function readPairTable(file: ParquetFile, cacheRows: number): Promise<PairTable> {
  const { rows } = file;
  if (rows > MAX_ROWS) throw new SiteProblem(`${rows} pairs are more than a page can hold (${MAX_ROWS})`);
  const table: PairTable = {
    rows,
    pairIndex: Int32Array.from({ length: rows }, (_, row) => row),
    promptTokens: new Int32Array(rows),
    chosenTokens: new Int32Array(rows),
    rejectedTokens: new Int32Array(rows),
    refChosen: new Float64Array(rows),
    refRejected: new Float64Array(rows),
    duplicateOf: new Int32Array(rows).fill(-1),
    duplicateKind: new Uint8Array(rows),
  };
  const known = new Set(file.columns);
  const sampled = rows !== cacheRows;
  const columns = [
    ...(sampled ? ['pair_index'] : []),
    ...Object.keys(NUMBERS),
    ...['duplicate_of', 'duplicate_kind'].filter((name) => known.has(name)),
  ];
  await file.eachGroup(columns, (column, values, rowStart) => {
    if (Object.hasOwn(NUMBERS, column)) {
      table[NUMBERS[column as keyof typeof NUMBERS]].set(values as ArrayLike<number>, rowStart);
    } else for (let i = 0; i < values.length; i++) placeValue(table, column, values[i], rowStart + i);
  });
  return table;
}

function placeValue(table: PairTable, column: string, value: unknown, row: number): void {
  if (value === null || value === undefined) return;
  if (column === 'pair_index') table.pairIndex[row] = Number(value);
  else if (column === 'duplicate_of') table.duplicateOf[row] = Number(value);
  else table.duplicateKind[row] = Math.max(0, DUPLICATE_KINDS.indexOf(String(value) as DuplicateKind));
}

/** The row of a pair of the cache by binary search; −1 where the table has none. */
export function rowOfPair({ pairIndex }: Pick<PairTable, 'pairIndex'>, pair: number): number {
  let [low, high] = [0, pairIndex.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (pairIndex[middle] === pair) return middle;
    if (pairIndex[middle]! < pair) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
