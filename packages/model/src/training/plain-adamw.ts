/** AdamW's step in plain ops, for engines without kernels of their own for it. */
import * as tf from '@tensorflow/tfjs-core';
import { TensorSlot, type AdamWHyperparameters, type FusedAdamW } from '../engine/index.js';

export const plainAdamW: FusedAdamW = {
  slot: (value, moments) => new PlainSlot(value, moments),
};

class PlainSlot extends TensorSlot {
  update(step: number, given: tf.Tensor, options: AdamWHyperparameters): void {
    const { learningRate, beta1, beta2, epsilon, weightDecay, gradientScale = 1 } = options;
    const correction1 = 1 - beta1 ** step;
    const correction2 = Math.sqrt(1 - beta2 ** step);
    const next = tf.tidy(() => {
      const gradient = gradientScale === 1 ? given : tf.mul(given, gradientScale);
      const expAvg = tf.add(tf.mul(this.expAvg, beta1), tf.mul(gradient, 1 - beta1));
      const expAvgSq = tf.add(tf.mul(this.expAvgSq, beta2), tf.mul(tf.square(gradient), 1 - beta2));
      const scale = tf.add(tf.div(tf.sqrt(expAvgSq), correction2), epsilon);
      const decayed =
        weightDecay === 0 ? this.parameter : tf.mul(this.parameter, 1 - learningRate * weightDecay);
      const parameter = tf.sub(decayed, tf.mul(tf.div(expAvg, scale), learningRate / correction1));
      return { parameter, expAvg, expAvgSq };
    });
    this.dispose();
    this.parameter = tf.keep(next.parameter);
    this.expAvg = tf.keep(next.expAvg);
    this.expAvgSq = tf.keep(next.expAvgSq);
  }
}
