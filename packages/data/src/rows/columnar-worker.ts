/** The worker thread that decodes Parquet and Arrow files: one answer for each `'next'` on the file it was told of last. */
import { parentPort } from 'node:worker_threads';
import type { ColumnarAnswer, ColumnarMessage, ColumnarTask } from './columnar-protocol.js';
import { decodeArrow } from './arrow-decoder.js';
import { decodeParquet } from './parquet-decoder.js';

let answers: AsyncGenerator<ColumnarAnswer> | undefined;

function answersOf({ file, kind, columns, longest }: ColumnarTask): AsyncGenerator<ColumnarAnswer> {
  return kind === 'parquet'
    ? decodeParquet(file, columns, longest)
    : decodeArrow(file, kind, columns, longest);
}

async function nextAnswer(): Promise<ColumnarAnswer> {
  try {
    const { value, done } = await answers!.next();
    return done === true ? { type: 'end' } : value;
  } catch (error) {
    return { type: 'unreadable', found: (error as Error).message };
  }
}

parentPort?.on('message', (message: ColumnarMessage) => {
  if (message === 'next') {
    void nextAnswer().then((answer) => parentPort?.postMessage(answer));
    return;
  }
  // The file before may have been left in its middle: it is closed.
  void answers?.return(undefined).catch(() => undefined);
  answers = answersOf(message);
});
