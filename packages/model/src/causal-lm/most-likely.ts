/**
 * The most likely next tokens at every target, for distillation from a cache. Logits of a chunk of rows are read from the engine
 * and looked through here: the same tokens in the same order on every engine, also among equals.
 */
import * as tf from '@tensorflow/tfjs-core';
import { chunkLogits, headChunkRows, tokenLogps } from './head-logps.js';

/** Of some rows the `n` most likely tokens, the likeliest first; of equals the lower id first. */
export interface MostLikely {
  /** [rows · n] */
  ids: Int32Array;
  /** [rows · n] log-probs, in nats. */
  logps: Float32Array;
}

/**
 * Log-prob of each target, and the n most likely tokens in its place. hidden: [M, D], weight: [V, D], targets: [M], n ≤ V.
 * @param chunkRows rows whose logits are held at one time, twice: on the engine and as numbers.
 */
export async function headMostLikely(
  hidden: tf.Tensor2D,
  weight: tf.Tensor2D,
  targets: Int32Array,
  n: number,
  chunkRows = headChunkRows(weight.shape[0]),
): Promise<{ logps: Float32Array; top: MostLikely }> {
  const logps = new Float32Array(targets.length);
  const top = { ids: new Int32Array(targets.length * n), logps: new Float32Array(targets.length * n) };
  for (let begin = 0; begin < targets.length; begin += chunkRows) {
    const own = targets.subarray(begin, begin + chunkRows);
    const tensors = tf.tidy(() => {
      const logits = chunkLogits(hidden, weight, begin, own.length);
      return [logits, ...tokenLogps(logits, own)];
    });
    try {
      const [logits, ownLogps, sums] = (await Promise.all(tensors.map((tensor) => tensor.data()))) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      logps.set(ownLogps, begin);
      own.forEach((_, i) => {
        const vocabulary = logits.subarray(i * weight.shape[0], (i + 1) * weight.shape[0]);
        lookThrough(vocabulary, sums[i]!, n, top, (begin + i) * n);
      });
    } finally {
      tf.dispose(tensors);
    }
  }
  return { logps, top };
}

/** Writes the n largest of a row of logits to place `at` on. */
function lookThrough(logits: Float32Array, logSumExp: number, n: number, top: MostLikely, at: number): void {
  const ids = top.ids.subarray(at, at + n);
  const values = top.logps.subarray(at, at + n).fill(-Infinity);
  for (let id = 0; id < logits.length; id++) {
    const value = logits[id]!;
    if (id >= n && value <= values[n - 1]!) continue;
    let place = Math.min(id, n - 1);
    for (; place > 0 && values[place - 1]! < value; place--) {
      values[place] = values[place - 1]!;
      ids[place] = ids[place - 1]!;
    }
    values[place] = value;
    ids[place] = id;
  }
  for (let i = 0; i < n; i++) values[i]! -= logSumExp;
}
