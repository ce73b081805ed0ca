/**
 * Rows written into a tensor that is already there: what a key-value cache grows by. tfjs's tensors never change, so plain ops
 * copy the whole of it for every token; an engine may register a way to write in place.
 */
import * as tf from '@tensorflow/tfjs-core';
import { fusedKernelsAllowed } from './fused-kernels.js';

/**
 * x[places[i]] = rows[i]. x: [R, D], places: [N] int32 below R, rows: [N, D]. Where it is done in place the result is x itself, and
 * a tensor that shares its memory changes with it; else x is disposed, and the result is another tensor, the caller's.
 */
export type RowWriter = (x: tf.Tensor2D, places: tf.Tensor1D, rows: tf.Tensor2D) => tf.Tensor2D;

const registered = new Map<string, RowWriter>();

/** Offers a backend's way to write in place. */
export function registerRowWriter(backend: string, write: RowWriter): void {
  registered.set(backend, write);
}

/** The current engine's {@link RowWriter}, or plain ops. */
export function rowWriter(): RowWriter {
  return (fusedKernelsAllowed() ? registered.get(tf.getBackend()) : undefined) ?? copyWithRows;
}

const copyWithRows: RowWriter = (x, places, rows) => {
  const result = tf.tidy(() => tf.tensorScatterUpdate(x, tf.expandDims(places, 1), rows)) as tf.Tensor2D;
  x.dispose();
  return result;
};
