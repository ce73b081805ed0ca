/** The interface of an optimiser step done by kernels of the engine instead of a dozen plain ops. */
import type * as tf from '@tensorflow/tfjs-core';

export interface AdamWHyperparameters {
  learningRate: number;
  beta1: number;
  beta2: number;
  /** Added to √v̂, outside the square root, as in PyTorch. */
  epsilon: number;
  /** Decoupled decay (Loshchilov & Hutter, arXiv 1711.05101); 0 for parameters that do not decay. */
  weightDecay: number;
  /** Multiplied with the gradient first (clipping); 1 if absent. */
  gradientScale?: number;
}

/** One parameter tensor with its moments, held by the engine and updated in place. */
export interface FusedAdamWSlot {
  /**
   * One AdamW update. Does not take over `gradient`. Dispose what {@link value} gave before: a tensor that still
   * shares the parameter's memory makes the engine copy it first.
   * @param step 1 for the first update: the exponent of the bias correction.
   * @param gradient of the parameter's shape.
   */
  update(step: number, gradient: tf.Tensor, hyperparameters: AdamWHyperparameters): void;
  /** The parameter's current value as a new tensor, the caller's to dispose. */
  value(): tf.Tensor;
  /** The running mean of gradients and of their squares as new tensors, the caller's to dispose. */
  moments(): { expAvg: tf.Tensor; expAvgSq: tf.Tensor };
  dispose(): void;
}

export interface FusedAdamW {
  /** A slot holding copies of `value` and of the moments (zeros where they are not given). */
  slot(value: tf.Tensor, moments?: { expAvg: tf.Tensor; expAvgSq: tf.Tensor }): FusedAdamWSlot;
}
