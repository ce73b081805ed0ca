/** Sums in place through resource variables, on the CPU. */
import type * as tf from '@tensorflow/tfjs-core';
import type { InPlaceSums } from '../in-place-sums.js';
import type { TensorflowKernels } from './kernels.js';
import { ResourceVariable } from './resource-variable.js';

/** The in-place sums of an open TensorFlow engine that has SdpoAddRows (packages/model/native). */
export function tensorflowSums(kernels: TensorflowKernels): InPlaceSums {
  const inPlace = (sum: tf.Tensor, update: (handle: tf.Tensor) => void): tf.Tensor => {
    const variable = new ResourceVariable(kernels, sum);
    // While this tensor lives it shares the variable's memory, and the update would copy it.
    sum.dispose();
    try {
      update(variable.asInput());
      return variable.read();
    } finally {
      variable.dispose();
    }
  };
  return {
    add: (sum, part) =>
      inPlace(sum, (handle) =>
        kernels.run('AssignAddVariableOp', { dtype: { dtype: 'float32' } }, [handle, part], 0),
      ),
    addRows: (sum, places, rows) =>
      inPlace(sum, (handle) => kernels.run('SdpoAddRows', {}, [handle, places, rows], 0)),
  };
}
