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
 * @param longest of a field that can be used, in characters; a longer one comes as a text that is longer than that.
 * @throws InputError `parquet-unreadable` or `arrow-unreadable`
 */
export async function* columnarRows(
  file: string,
  kind: ColumnarKind,
  columns: readonly string[],
  deadlineMs: number = DECODE_DEADLINE_MS,
  longest = Infinity,
): AsyncGenerator<ColumnarRow> {
  const task: ColumnarTask = { file, kind, columns, longest };
  const decoder = new DecoderThread(task);
  try {
    let fields: string[] = [];
    for (;;) {
      const answer = await decoder.next(deadlineMs);
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
    await decoder.terminate();
  }
}

function rowObject(columns: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  const row = Object.create(null) as Record<string, unknown>;
  columns.forEach((name, i) => {
    row[name] = values[i];
  });
  return row;
}

/** The worker thread, asked for one answer at a time. */
class DecoderThread {
  private readonly worker: Worker;
  private waiting: { resolve(answer: ColumnarAnswer): void; fail(found: string): void } | undefined;
  /** What ended the thread while nobody waited for an answer. */
  private ended: string | undefined;

  constructor(private readonly task: ColumnarTask) {
    this.worker = new Worker(workerPath(), { workerData: task });
    this.worker.on('message', (answer: ColumnarAnswer) => this.waiting?.resolve(answer));
    this.worker.on('error', (error: unknown) => {
      this.end(error instanceof Error ? error.message : String(error));
    });
    this.worker.on('exit', (code) => {
      this.end(`the decoder ended with code ${code}`);
    });
  }

  /** @throws InputError if the thread ends or the deadline passes before the answer. */
  async next(deadlineMs: number): Promise<ColumnarAnswer> {
    if (this.ended !== undefined) throw unreadable(this.task, this.ended);
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<ColumnarAnswer>((resolve, reject) => {
        const fail = (found: string): void => {
          reject(unreadable(this.task, found));
        };
        this.waiting = { resolve, fail };
        timer = setTimeout(fail, deadlineMs, `no result after ${deadlineMs} ms`);
        this.worker.postMessage('next');
      });
    } finally {
      clearTimeout(timer);
      this.waiting = undefined;
    }
  }

  async terminate(): Promise<void> {
    await this.worker.terminate();
  }

  private end(found: string): void {
    this.ended ??= found;
    this.waiting?.fail(this.ended);
  }
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
