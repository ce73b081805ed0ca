/** An optimiser slot whose parameter and moments are three tensors of the engine. */
import * as tf from '@tensorflow/tfjs-core';
import type { AdamWHyperparameters, FusedAdamWSlot } from './fused-adamw.js';

export abstract class TensorSlot implements FusedAdamWSlot {
  protected parameter: tf.Tensor;
  protected expAvg: tf.Tensor;
  protected expAvgSq: tf.Tensor;

  /** Holds copies of `value` and of the moments; zeros where they are not given. */
  constructor(value: tf.Tensor, moments?: { expAvg: tf.Tensor; expAvgSq: tf.Tensor }) {
    this.parameter = tf.keep(tf.clone(value));
    this.expAvg = tf.keep(moments === undefined ? tf.zerosLike(value) : tf.clone(moments.expAvg));
    this.expAvgSq = tf.keep(moments === undefined ? tf.zerosLike(value) : tf.clone(moments.expAvgSq));
  }

  abstract update(step: number, gradient: tf.Tensor, hyperparameters: AdamWHyperparameters): void;

  value(): tf.Tensor {
    return tf.clone(this.parameter);
  }

  moments(): { expAvg: tf.Tensor; expAvgSq: tf.Tensor } {
    return { expAvg: tf.clone(this.expAvg), expAvgSq: tf.clone(this.expAvgSq) };
  }

  dispose(): void {
    tf.dispose([this.parameter, this.expAvg, this.expAvgSq]);
  }
}
