/** Rows written in place by TensorFlow's InplaceUpdate, whose output is its first input's memory. */
import type { RowWriter } from '../row-writes.js';
import type { TensorflowKernels } from './kernels.js';

export function tensorflowRowWriter(kernels: TensorflowKernels): RowWriter {
  return (x, places, rows) => {
    kernels.single('InplaceUpdate', { T: { dtype: 'float32' } }, [x, places, rows]).dispose();
    return x;
  };
}
