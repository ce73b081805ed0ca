/** How long tensors live. */
import * as tf from '@tensorflow/tfjs-core';

/**
 * tf.tidy for a result of any shape: tensors found in it (objects and arrays, nested) survive, all others that
 * `compute` made are disposed. tf.tidy's own type asks for an index signature that interfaces do not have.
 */
export function scope<Result>(compute: () => Result): Result {
  return tf.tidy(compute as () => tf.TensorContainer) as Result;
}

/** The values of a tensor, which is disposed whether or not they can be read. */
export async function readAndDispose(tensor: tf.Tensor): Promise<Float32Array> {
  try {
    return (await tensor.data()) as Float32Array;
  } finally {
    tensor.dispose();
  }
}
