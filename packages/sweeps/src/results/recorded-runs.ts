/** The runs of a sweep as its table of results has them, read back. */
import { join } from 'node:path';
import { InputError, csvRecords, readRegularFile } from '@selective-dpo/foundation';
import type { RunStatus } from '../swept-run.js';
import { RESULTS_CSV } from './results-files.js';

/** How a run stood when the table was written. */
export interface RecordedRun {
  name: string;
  key: string;
  status: RunStatus;
  /** Swept keys and the seed. Texts that look like numbers are numbers. */
  values: Readonly<Record<string, string | number | boolean>>;
}

const MAX_BYTES = 64 << 20;
const STATUSES: readonly RunStatus[] = ['finished', 'failed', 'missing'];

/**
 * Reads `results.csv`. What is no row of it is left out: the runs themselves say more.
 * @returns none where there is no such file, or another one.
 * @throws InputError of the file system.
 */
export async function recordedRuns(directory: string): Promise<RecordedRun[]> {
  let text: string;
  try {
    text = (await readRegularFile(join(directory, RESULTS_CSV), MAX_BYTES)).toString('utf8');
  } catch (error) {
    if (error instanceof InputError && error.code === 'file-not-found') return [];
    throw error;
  }
  const [head = [], ...rows] = csvRecords(text);
  const statusAt = head.indexOf('status');
  if (head[0] !== 'name' || head[1] !== 'key' || head[2] !== 'seed' || statusAt < 3) return [];
  return rows.flatMap((row): RecordedRun[] => {
    const [name, key] = [row[0]!, row[1]];
    const status = STATUSES.find((one) => one === row[statusAt]);
    if (key === undefined || status === undefined) return [];
    const values = head.slice(2, statusAt).flatMap((column, i) => {
      const cell = row[i + 2]!;
      return cell === '' ? [] : [[column, valueOf(cell)] as const];
    });
    return [{ name: unguarded(name), key, status, values: Object.fromEntries(values) }];
  });
}

function valueOf(cell: string): string | number | boolean {
  if (cell === 'true' || cell === 'false') return cell === 'true';
  return String(Number(cell)) === cell ? Number(cell) : unguarded(cell);
}

/** Without the apostrophe that keeps spreadsheets from computing a text. */
function unguarded(cell: string): string {
  return /^'[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell;
}
