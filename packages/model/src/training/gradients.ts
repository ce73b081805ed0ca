/** Sums and norms of gradients by parameter name. */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from '../engine/fused-kernels.js';
import type { Gradients } from '../causal-lm/index.js';

/** Euclidean norm over all gradients together; NaN or Infinity where a gradient is not finite. */
export async function globalNorm(gradients: Gradients): Promise<number> {
  if (gradients.size === 0) return 0;
  const squares = tf.tidy(() => tf.stack([...gradients.values()].map(squaredSum)));
  const values = await squares.data();
  squares.dispose();
  let total = 0;
  for (const value of values) total += value;
  return Math.sqrt(total);
}

/** Σ x² → a scalar. */
export function squaredSum(x: tf.Tensor): tf.Tensor {
  return hasFused('SdpoSquaredSum') ? runFused('SdpoSquaredSum', { x }, {})[0]! : tf.sum(tf.square(x));
}

/** The factor that brings a norm down to `maxNorm`, as torch.nn.utils.clip_grad_norm_ computes it; at most 1. */
export function clipFactor(norm: number, maxNorm: number): number {
  return maxNorm <= 0 ? 1 : Math.min(1, maxNorm / (norm + 1e-6));
}
