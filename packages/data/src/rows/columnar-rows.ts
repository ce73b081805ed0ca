/**
 * Rows of a foreign Parquet or Arrow file. The bytes are decoded in a worker thread under a deadline: a decoder that
 * hangs or runs out of memory on hostile bytes costs the thread, and one typed error, not the process.
 */
import { InputError } from '@selective-dpo/foundation';
import type { ColumnarKind, ColumnarTask } from './columnar-protocol.js';
import { DecoderThread } from './decoder-thread.js';

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
  const decoder = new ColumnarDecoder();
  try {
    yield* decoder.rows({ file, kind, columns, longest }, deadlineMs);
  } finally {
    await decoder.close();
  }
}

/**
 * Decodes many files, one at a time, in one thread: to start one takes longer than a small file (0.1 s). A thread that did not answer is
 * given up, and the next file has a new one.
 */
export class ColumnarDecoder {
  private thread: DecoderThread | undefined;

  /** As {@link columnarRows}. The rows of one file at a time: these end where another file's are asked for. */
  async *rows(task: ColumnarTask, deadlineMs: number = DECODE_DEADLINE_MS): AsyncGenerator<ColumnarRow> {
    const thread = (this.thread ??= new DecoderThread());
    try {
      thread.begin(task);
      let fields: string[] = [];
      for (;;) {
        const answer = await thread.next(deadlineMs);
        if (answer.type === 'end') return;
        if (answer.type === 'unreadable') throw unreadable(task, answer.found);
        if (answer.type === 'schema') {
          fields = answer.fields;
          if (task.columns.some((name) => fields.includes(name))) continue;
          yield { value: {}, fields };
          return;
        }
        for (const values of answer.rows) yield { value: rowObject(answer.columns, values), fields };
      }
    } finally {
      if (thread.isSpent) await this.close();
    }
  }

  /** Ends the thread; whoever waits for rows gets an error. */
  async close(): Promise<void> {
    const { thread } = this;
    this.thread = undefined;
    await thread?.terminate();
  }
}

function rowObject(columns: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  const row = Object.create(null) as Record<string, unknown>;
  columns.forEach((name, i) => {
    row[name] = values[i];
  });
  return row;
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
