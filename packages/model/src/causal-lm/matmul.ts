/** Matrix products with the rank in their type: the one place all of the model's FLOPs pass through. */
import * as tf from '@tensorflow/tfjs-core';

/** Which operands are read transposed. */
export interface Transposed {
  a?: boolean;
  b?: boolean;
}

/** a b, a bᵀ or aᵀ b of two matrices, or of two equally long stacks of matrices ([B, m, k]). */
export function matMul<Operand extends tf.Tensor2D | tf.Tensor3D>(
  a: Operand,
  b: Operand,
  transposed: Transposed = {},
): Operand {
  return tf.matMul(a as tf.Tensor, b as tf.Tensor, transposed.a ?? false, transposed.b ?? false) as Operand;
}
