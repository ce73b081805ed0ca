/** Root mean square layer normalisation (Zhang & Sennrich 2019, arXiv 1910.07467) and its gradient. */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from '../engine/fused-kernels.js';

/** 1 / rms of each row. x: [N, D] → [N, 1]. */
export function inverseRms(x: tf.Tensor2D, epsilon: number): tf.Tensor2D {
  return tf.rsqrt(tf.add(tf.mean(tf.square(x), 1, true), epsilon));
}

/** x / rms(x) · weight. x: [N, D], weight: [D] → [N, D]. */
export function rmsNorm(x: tf.Tensor2D, weight: tf.Tensor1D, epsilon: number): tf.Tensor2D {
  if (hasFused('SdpoRmsNorm')) {
    return runFused('SdpoRmsNorm', { x, weight }, { epsilon })[0] as tf.Tensor2D;
  }
  return tf.mul(tf.mul(x, inverseRms(x, epsilon)), weight);
}

/** Gradients of {@link rmsNorm} by its input and weight, for an incoming gradient dy: [N, D]. */
export function rmsNormGradient(
  x: tf.Tensor2D,
  weight: tf.Tensor1D,
  epsilon: number,
  dy: tf.Tensor2D,
): { dx: tf.Tensor2D; dWeight: tf.Tensor1D } {
  if (hasFused('SdpoRmsNormGradient')) {
    const [dx, dWeight] = runFused('SdpoRmsNormGradient', { x, weight, dy }, { epsilon });
    return { dx: dx as tf.Tensor2D, dWeight: dWeight as tf.Tensor1D };
  }
  const inverse = inverseRms(x, epsilon);
  const normalised = tf.mul(x, inverse) as tf.Tensor2D;
  const dWeight = tf.sum(tf.mul(dy, normalised), 0) as tf.Tensor1D;
  const dNormalised = tf.mul(dy, weight);
  const along = tf.mean(tf.mul(dNormalised, normalised), 1, true);
  const dx = tf.mul(tf.sub(dNormalised, tf.mul(normalised, along)), inverse) as tf.Tensor2D;
  return { dx, dWeight };
}
