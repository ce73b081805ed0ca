/**
 * Rows of a foreign Parquet or Arrow file. The bytes are decoded in a worker thread under a deadline: a decoder that
 * hangs or runs out of memory on hostile bytes costs the thread, and one typed error, not the process.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { InputError } from '@selective-dpo/foundation';
import type { ColumnarAnswer, ColumnarKind, ColumnarTask } from './columnar-protocol.js';

/** Longest time one row group or record batch may take, in milliseconds. */
export const DECODE_DEADLINE_MS = 60_000;

export interface ColumnarRow {
  value: Record<string, unknown>;
  /** All columns of the file; `value` holds the wanted ones only. */
  fields: string[];
}

/**
 * The rows of a file, batch by batch.
 * @param columns names of the columns to decode; a file with none of them gives one empty row, for its fields.
 * @throws InputError `parquet-unreadable` or `arrow-unreadable`
 */
export async function* columnarRows(
  file: string,
  kind: ColumnarKind,
  columns: readonly string[],
  deadlineMs: number = DECODE_DEADLINE_MS,
): AsyncGenerator<ColumnarRow> {
  const task: ColumnarTask = { file, kind, columns };
  const worker = new Worker(workerPath(), { workerData: task });
  try {
    let fields: string[] = [];
    for (;;) {
      const answer = await ask(worker, task, deadlineMs);
      if (answer.type === 'end') return;
      if (answer.type === 'unreadable') throw unreadable(task, answer.found);
      if (answer.type === 'schema') {
        fields = answer.fields;
        if (columns.some((name) => fields.includes(name))) continue;
        yield { value: {}, fields };
        return;
      }
      for (const values of answer.rows) yield { value: rowObject(answer.columns, values), fields };
    }
  } finally {
    await worker.terminate();
  }
}

function rowObject(columns: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  const row = Object.create(null) as Record<string, unknown>;
  columns.forEach((name, i) => {
    row[name] = values[i];
  });
  return row;
}

/** Sends `'next'` and waits for the answer, the deadline, or the thread's end. */
function ask(worker: Worker, task: ColumnarTask, deadlineMs: number): Promise<ColumnarAnswer> {
  return new Promise((resolve, reject) => {
    const settle = (action: () => void): void => {
      clearTimeout(timer);
      worker.removeAllListeners();
      // A thread that is being ended may still report an error, which nobody waits for any more.
      worker.on('error', () => undefined);
      action();
    };
    const fail = (found: string): void => {
      settle(() => {
        reject(unreadable(task, found));
      });
    };
    const timer = setTimeout(() => {
      fail(`no result after ${deadlineMs} ms`);
    }, deadlineMs);
    worker.on('message', (answer: ColumnarAnswer) => {
      settle(() => {
        resolve(answer);
      });
    });
    worker.on('error', (error: unknown) => {
      fail(error instanceof Error ? error.message : String(error));
    });
    worker.on('exit', (code) => {
      fail(`the decoder ended with code ${code}`);
    });
    worker.postMessage('next');
  });
}

function unreadable({ file, kind }: ColumnarTask, found: string): InputError {
  const [code, name] =
    kind === 'parquet' ? ['parquet-unreadable', 'Parquet'] : ['arrow-unreadable', 'Arrow IPC'];
  return new InputError(code!, `the ${name} file cannot be decoded`, {
    file,
    found,
    hint: 'download or write the file again; the same rows as JSON Lines will do as well',
  });
}

/** The compiled worker. Run from TypeScript source (tests), it is the one in `dist`: Node 20 loads no TypeScript. */
function workerPath(): string {
  const here = import.meta.url;
  const path = fileURLToPath(
    new URL(here.endsWith('.ts') ? '../../dist/rows/columnar-worker.js' : './columnar-worker.js', here),
  );
  if (!existsSync(path)) {
    throw new InputError('not-built', 'the decoder of Parquet and Arrow files is not built', {
      file: path,
      hint: 'run: npx nx build @selective-dpo/data',
    });
  }
  return path;
}
