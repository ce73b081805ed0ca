/** The figures of pairs as a file: CSV (RFC 4180) or Parquet. */
import type { FileHandle } from 'node:fs/promises';
import { InputError, csvLine, publishFile } from '@selective-dpo/foundation';
import { ParquetTable, type ParquetColumn } from '@selective-dpo/data';
import type { PairFigures } from './pair-figures.js';

const text = { type: 'UTF8', compression: 'SNAPPY' } as const;
const whole = { type: 'INT32', compression: 'SNAPPY' } as const;
const real = { type: 'DOUBLE', compression: 'SNAPPY' } as const;

/** In order. */
const COLUMNS: Readonly<Record<keyof PairFigures, ParquetColumn>> = {
  ...{ model: text, row: whole, pair_id: text, source_row: whole },
  ...{ chosen_tokens: whole, rejected_tokens: whole, chosen_tokens_kept: whole, rejected_tokens_kept: whole },
  ...{ loss: real, logps_chosen: real, logps_rejected: real },
  ...{ ref_logps_chosen: real, ref_logps_rejected: real, logps_kept_chosen: real, logps_kept_rejected: real },
  ...{ rewards_chosen: real, rewards_rejected: real, rewards_kept_chosen: real, rewards_kept_rejected: real },
};
const NAMES = Object.keys(COLUMNS) as (keyof PairFigures)[];

const TABLE_FORMATS = ['csv', 'parquet'] as const;
type TableFormat = (typeof TABLE_FORMATS)[number];

/**
 * The format that a file's name asks for.
 * @throws InputError `table-format`.
 */
function tableFormat(file: string): TableFormat {
  const format = TABLE_FORMATS.find((name) => file.toLowerCase().endsWith(`.${name}`));
  if (format !== undefined) return format;
  throw new InputError('table-format', 'the name does not say what kind of table is wanted', {
    file,
    expected: TABLE_FORMATS.map((name) => `a name that ends with .${name}`).join(' or '),
  });
}

/**
 * Publishes a table of what `produce` hands to its argument; nothing appears at `file` unless all of it succeeds. Memory holds one
 * row group (1,024 rows).
 * @throws InputError `table-format` before anything is done; those of the file system.
 */
export async function publishPairTable<Result>(
  file: string,
  produce: (append: (pairs: readonly PairFigures[]) => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const open = tableFormat(file) === 'csv' ? csvTable : parquetTable;
  let result: Result;
  await publishFile(file, async (handle) => {
    const table = await open(handle);
    result = await produce((pairs) => table.append(pairs));
    await table.close();
  });
  return result!;
}

interface Table {
  append(pairs: readonly PairFigures[]): Promise<void>;
  close(): Promise<void>;
}

async function csvTable(handle: FileHandle): Promise<Table> {
  await handle.appendFile(csvLine(NAMES));
  return {
    append: (pairs) =>
      handle.appendFile(pairs.map((pair) => csvLine(NAMES.map((name) => pair[name]))).join('')),
    close: () => Promise.resolve(),
  };
}

async function parquetTable(handle: FileHandle): Promise<Table> {
  const table = await ParquetTable.open(COLUMNS, (bytes) => handle.appendFile(bytes));
  return {
    async append(pairs) {
      for (const pair of pairs) await table.append({ ...pair });
    },
    close: () => table.close(),
  };
}
