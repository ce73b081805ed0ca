/**
 * `results.csv`, `results.parquet` and `timings.csv`: one row a run. The same finished runs give the same bytes, but for the
 * timings.
 */
import { join } from 'node:path';
import { csvLine, publishBytes, readRegularFile } from '@selective-dpo/foundation';
import { ParquetTable, type ParquetColumn } from '@selective-dpo/data';
import type { Scalar } from '../file/yaml-outline.js';
import type { RunResult } from './run-result.js';

export const RESULTS_CSV = 'results.csv';
export const RESULTS_PARQUET = 'results.parquet';
export const TIMINGS_CSV = 'timings.csv';

type Row = Record<string, Scalar | undefined>;

/**
 * Publishes the tables of a sweep; a file that holds the same already is left as it is.
 * @param results in the order of the rows.
 * @throws InputError `disk-full`, `no-permission`, …
 */
export async function publishResults(
  directory: string,
  results: readonly RunResult[],
  sweptKeys: readonly string[],
): Promise<void> {
  const metrics = namesIn(results.map(({ run }) => run.metrics));
  const columns = ['name', 'key', 'seed', ...sweptKeys, 'status', 'steps', ...metrics];
  const rows = results.map(({ run, steps }): Row => ({
    ...run.metrics,
    ...run.values,
    ...{ name: run.name, key: run.key, seed: run.seed, status: run.status, steps },
  }));
  await publishChanged(join(directory, RESULTS_CSV), csvOf(columns, rows));
  await publishChanged(join(directory, RESULTS_PARQUET), await parquetOf(columns, rows));
  const timings = results.map(({ run, timings: own }): Row => ({ ...own, name: run.name, key: run.key }));
  const timed = namesIn(results.map((result) => result.timings));
  await publishChanged(join(directory, TIMINGS_CSV), csvOf(['name', 'key', ...timed], timings));
}

/** Publishes a file unless it holds these bytes already. @throws as publishBytes. */
export async function publishChanged(path: string, content: string | Uint8Array): Promise<void> {
  const bytes = Buffer.from(content);
  const before = await readRegularFile(path, bytes.length).catch(() => undefined);
  if (before?.equals(bytes) !== true) await publishBytes(path, bytes);
}

function namesIn(figures: readonly Readonly<Record<string, number>>[]): string[] {
  return [...new Set(figures.flatMap((one) => Object.keys(one)))].sort();
}

function csvOf(columns: readonly string[], rows: readonly Row[]): string {
  return [csvLine(columns), ...rows.map((row) => csvLine(columns.map((column) => row[column])))].join('');
}

async function parquetOf(columns: readonly string[], rows: readonly Row[]): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const numeric = new Map(
    columns.map((column) => [
      column,
      rows.every((row) => row[column] === undefined || typeof row[column] === 'number'),
    ]),
  );
  const schema = Object.fromEntries(
    columns.map((column): [string, ParquetColumn] => [
      column,
      { type: numeric.get(column) === true ? 'DOUBLE' : 'UTF8', optional: true, compression: 'SNAPPY' },
    ]),
  );
  const table = await ParquetTable.open(schema, (bytes) => void pieces.push(bytes));
  for (const row of rows) {
    const present = columns.filter((column) => row[column] !== undefined);
    const cells = present.map((column) => [
      column,
      numeric.get(column) === true ? row[column] : String(row[column]),
    ]);
    await table.append(Object.fromEntries(cells) as Record<string, unknown>);
  }
  await table.close();
  return Buffer.concat(pieces);
}
