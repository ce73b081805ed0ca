/**
 * The rotary embedding of one token a sequence, on the joint projection as it is: with C and S that hold a number for every
 * column, rotated = joint ⊙ C + joint[:, partner] ⊙ S. Four kernels instead of the many that cut and join heads; the values'
 * columns have C = 1 and S = 0, and the queries' include the attention's 1/√headDim.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { AttentionShape } from '../causal-lm/attention.js';

export interface RotaryColumns {
  /** [B, (heads + 2·kvHeads)·headDim] each. */
  cosine: tf.Tensor2D;
  sine: tf.Tensor2D;
  /** [(heads + 2·kvHeads)·headDim] the column of the other half of the same head. */
  partner: tf.Tensor1D;
}

/** @param frequencies [headDim/2] radians a position; @param positions [B]. The caller disposes all three. */
export function rotaryColumns(
  frequencies: Float64Array,
  { heads, kvHeads, headDim }: AttentionShape,
  positions: readonly number[],
): RotaryColumns {
  const half = headDim / 2;
  const width = (heads + 2 * kvHeads) * headDim;
  const [cosine, sine] = [
    new Float32Array(positions.length * width),
    new Float32Array(positions.length * width),
  ];
  positions.forEach((position, row) => {
    const angles = frequencies.map((frequency) => position * frequency);
    for (let column = 0; column < width; column++) {
      const head = Math.floor(column / headDim);
      const i = column % headDim;
      const angle = head < heads + kvHeads ? angles[i % half]! : 0;
      const scale = head < heads ? 1 / Math.sqrt(headDim) : 1;
      cosine[row * width + column] = scale * Math.cos(angle);
      sine[row * width + column] = scale * (i < half ? -1 : 1) * Math.sin(angle);
    }
  });
  const partner = Int32Array.from({ length: width }, (_, column) =>
    column % headDim < half ? column + half : column - half,
  );
  return {
    cosine: tf.tensor2d(cosine, [positions.length, width]),
    sine: tf.tensor2d(sine, [positions.length, width]),
    partner: tf.tensor1d(partner, 'int32'),
  };
}

/** joint: [B, (heads + 2·kvHeads)·headDim] → the same with queries scaled and queries and keys rotated. */
export function rotateColumns(joint: tf.Tensor2D, { cosine, sine, partner }: RotaryColumns): tf.Tensor2D {
  return tf.add(tf.mul(joint, cosine), tf.mul(tf.gather(joint, partner, 1), sine));
}
