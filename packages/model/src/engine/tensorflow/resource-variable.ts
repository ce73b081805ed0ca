/** TensorFlow's resource variables: values that kernels update in place. */
import * as tf from '@tensorflow/tfjs-core';
import type { TensorflowKernels } from './kernels.js';

const FLOAT = { dtype: 'float32' } as const;

let variables = 0;

/** A float32 variable in TensorFlow's own memory: an update writes it in place unless a tensor still shares it. */
export class ResourceVariable {
  private readonly handle: tf.Tensor;

  constructor(
    private readonly kernels: TensorflowKernels,
    initial: tf.Tensor,
  ) {
    const name = `selective-dpo/${process.pid}/${variables++}`;
    const attributes = { container: '', shared_name: name, dtype: FLOAT, shape: initial.shape };
    this.handle = tf.keep(kernels.single('VarHandleOp', attributes, []));
    try {
      this.assign(initial);
    } catch (error) {
      this.handle.dispose();
      throw error;
    }
  }

  assign(value: tf.Tensor): void {
    this.kernels.run('AssignVariableOp', { dtype: FLOAT, validate_shape: false }, [this.handle, value], 0);
  }

  read(): tf.Tensor {
    return this.kernels.single('ReadVariableOp', { dtype: FLOAT }, [this.handle]);
  }

  asInput(): tf.Tensor {
    return this.handle;
  }

  dispose(): void {
    try {
      this.kernels.run('DestroyResourceOp', { ignore_lookup_error: true }, [this.handle], 0);
    } finally {
      this.handle.dispose();
    }
  }
}
