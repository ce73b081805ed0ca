/**
 * Sums that grow in the memory they have: gradients of the size of the embedding, which plain ops would hold three times
 * for every part that is added. An engine registers its own; elsewhere plain ops give the same values up to rounding.
 */
import * as tf from '@tensorflow/tfjs-core';
import { fusedKernelsAllowed } from './fused-kernels.js';

/** Both take `sum` over: it is disposed, and the result is the caller's. What is added stays the caller's. */
export interface InPlaceSums {
  /** sum + part, of one shape. */
  add(sum: tf.Tensor, part: tf.Tensor): tf.Tensor;
  /** sum[places[i]] += rows[i]. sum: [V, D], places: [N] int32 below V, rows: [N, D]. */
  addRows(sum: tf.Tensor, places: tf.Tensor1D, rows: tf.Tensor2D): tf.Tensor;
}

const registered = new Map<string, InPlaceSums>();

/** Offers the sums of a tfjs backend. */
export function registerInPlaceSums(backend: string, sums: InPlaceSums): void {
  registered.set(backend, sums);
}

/** Those of the current engine, or plain ops. */
export function inPlaceSums(): InPlaceSums {
  return (fusedKernelsAllowed() ? registered.get(tf.getBackend()) : undefined) ?? PLAIN;
}

/** Whether {@link inPlaceSums} needs no memory beside its operands. */
export function hasInPlaceSums(): boolean {
  return inPlaceSums() !== PLAIN;
}

const PLAIN: InPlaceSums = {
  add: (sum, part) => {
    const result = tf.add(sum, part);
    sum.dispose();
    return result;
  },
  addRows: (sum, places, rows) => {
    const result = tf.tidy(() => tf.add(sum, tf.unsortedSegmentSum(rows, places, sum.shape[0]!)));
    sum.dispose();
    return result;
  },
};
