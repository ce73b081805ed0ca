/** A worker thread that decodes columnar files, one after the other, seen from the thread that reads their rows. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { InputError } from '@selective-dpo/foundation';
import type { ColumnarAnswer, ColumnarMessage, ColumnarTask } from './columnar-protocol.js';

export class DecoderThread {
  private readonly worker = new Worker(workerPath());
  private waiting: { resolve(answer: ColumnarAnswer): void; fail(found: string): void } | undefined;
  /** What ended the thread, or was the reason to give it up. */
  private ended: string | undefined;

  constructor() {
    this.worker.on('message', (answer: ColumnarAnswer) => this.waiting?.resolve(answer));
    this.worker.on('error', (error: unknown) => {
      this.end(error instanceof Error ? error.message : String(error));
    });
    this.worker.on('exit', (code) => {
      this.end(`the decoder ended with code ${code}`);
    });
  }

  /** Whether it answers no more: it ended, or an answer did not come in time. */
  get isSpent(): boolean {
    return this.ended !== undefined;
  }

  /** Turns to another file, wherever it was in the one before. */
  begin(task: ColumnarTask): void {
    this.send(task);
  }

  /** The next answer on the file begun; what went wrong, where none comes before the deadline, as an answer, too. */
  async next(deadlineMs: number): Promise<ColumnarAnswer> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<ColumnarAnswer>((resolve) => {
        const fail = (found: string): void => {
          resolve({ type: 'unreadable', found });
        };
        if (this.ended !== undefined) {
          fail(this.ended);
          return;
        }
        this.waiting = { resolve, fail };
        timer = setTimeout(() => {
          this.end(`no result after ${deadlineMs} ms`);
        }, deadlineMs);
        this.send('next');
      });
    } finally {
      clearTimeout(timer);
      this.waiting = undefined;
    }
  }

  async terminate(): Promise<void> {
    await this.worker.terminate();
  }

  private send(message: ColumnarMessage): void {
    this.worker.postMessage(message);
  }

  private end(found: string): void {
    this.ended ??= found;
    this.waiting?.fail(this.ended);
  }
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
