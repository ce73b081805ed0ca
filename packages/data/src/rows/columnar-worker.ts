/** The worker thread that decodes a Parquet or Arrow file: one answer for each `'next'` it is sent. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ColumnarAnswer, ColumnarTask } from './columnar-protocol.js';
import { decodeArrow } from './arrow-decoder.js';
import { decodeParquet } from './parquet-decoder.js';

const { file, kind, columns, longest } = workerData as ColumnarTask;
const answers =
  kind === 'parquet' ? decodeParquet(file, columns, longest) : decodeArrow(file, kind, columns, longest);

async function nextAnswer(): Promise<ColumnarAnswer> {
  try {
    const { value, done } = await answers.next();
    return done === true ? { type: 'end' } : value;
  } catch (error) {
    return { type: 'unreadable', found: (error as Error).message };
  }
}

parentPort?.on('message', () => {
  void nextAnswer().then((answer) => parentPort?.postMessage(answer));
});
