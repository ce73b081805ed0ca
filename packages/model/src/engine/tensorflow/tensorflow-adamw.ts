/**
 * AdamW through TensorFlow's resource variables: parameter and moments are updated in place in one pass over memory, where
 * plain ops need a dozen passes and as many temporaries. On the CPU by an operation of this project (SdpoAdamW in
 * packages/model/native), which clips and decays in that same pass; on a GPU by ResourceApplyAdam.
 *
 * Both compute θ −= α·m / (√v + ε′). PyTorch's θ −= lr·(m/c₁) / (√(v/c₂) + ε), with c₁ = 1 − β₁ᵗ and
 * c₂ = 1 − β₂ᵗ, is the same when α = lr·√c₂/c₁ and ε′ = ε·√c₂. ResourceApplyAdam would form α itself, from powers in float32,
 * where 1 − β₂ᵗ has lost half its digits in the first steps; so it is given powers of 0 and a finished α.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { AdamWHyperparameters, FusedAdamW, FusedAdamWSlot } from '../fused-adamw.js';
import type { TensorflowKernels } from './kernels.js';
import { ResourceVariable } from './resource-variable.js';

const FLOAT = { dtype: 'float32' } as const;

/**
 * The fused optimiser of an open TensorFlow engine.
 * @param native whether the engine has SdpoAdamW, which runs on the CPU alone.
 */
export function tensorflowAdamW(kernels: TensorflowKernels, native: boolean): FusedAdamW {
  return {
    slot: (value, moments) => {
      const expAvg = moments?.expAvg ?? tf.zerosLike(value);
      const expAvgSq = moments?.expAvgSq ?? tf.zerosLike(value);
      const slot = new ResourceSlot(kernels, native, value, expAvg, expAvgSq);
      if (moments === undefined) tf.dispose([expAvg, expAvgSq]);
      return slot;
    },
  };
}

class ResourceSlot implements FusedAdamWSlot {
  private readonly parameter: ResourceVariable;
  private readonly expAvg: ResourceVariable;
  private readonly expAvgSq: ResourceVariable;

  constructor(
    private readonly kernels: TensorflowKernels,
    private readonly native: boolean,
    value: tf.Tensor,
    expAvg: tf.Tensor,
    expAvgSq: tf.Tensor,
  ) {
    this.parameter = new ResourceVariable(kernels, value);
    this.expAvg = new ResourceVariable(kernels, expAvg);
    this.expAvgSq = new ResourceVariable(kernels, expAvgSq);
  }

  update(step: number, gradient: tf.Tensor, options: AdamWHyperparameters): void {
    const { learningRate, weightDecay, epsilon, gradientScale = 1 } = options;
    // The kernels' decay rates are float32; correcting for those very numbers keeps the averages unbiased.
    const [beta1, beta2] = [Math.fround(options.beta1), Math.fround(options.beta2)];
    const correction1 = 1 - beta1 ** step;
    const root2 = Math.sqrt(1 - beta2 ** step);
    const numbers = { beta1, beta2, alpha: (learningRate * root2) / correction1, epsilon: epsilon * root2 };
    const decay = 1 - learningRate * weightDecay;
    const state = [this.parameter, this.expAvg, this.expAvgSq].map((variable) => variable.asInput());
    tf.tidy(() => {
      if (this.native) {
        const { alpha } = numbers;
        const given = tf.tensor1d([gradientScale, beta1, beta2, alpha, numbers.epsilon, decay]);
        this.kernels.run('SdpoAdamW', {}, [...state, gradient, given], 0);
      } else {
        if (decay !== 1) this.scaleParameter(decay);
        this.applyAdam(state, gradientScale === 1 ? gradient : tf.mul(gradient, gradientScale), numbers);
      }
    });
  }

  private applyAdam(
    state: readonly tf.Tensor[],
    gradient: tf.Tensor,
    { beta1, beta2, alpha, epsilon }: { beta1: number; beta2: number; alpha: number; epsilon: number },
  ): void {
    const numbers = [0, 0, alpha, beta1, beta2, epsilon].map((x) => tf.scalar(x));
    const attributes = { T: FLOAT, use_locking: false, use_nesterov: false };
    this.kernels.run('ResourceApplyAdam', attributes, [...state, ...numbers, gradient], 0);
  }

  private scaleParameter(factor: number): void {
    this.parameter.assign(tf.mul(this.parameter.read(), factor));
  }

  value(): tf.Tensor {
    return this.parameter.read();
  }

  moments(): { expAvg: tf.Tensor; expAvgSq: tf.Tensor } {
    return { expAvg: this.expAvg.read(), expAvgSq: this.expAvgSq.read() };
  }

  dispose(): void {
    this.parameter.dispose();
    this.expAvg.dispose();
    this.expAvgSq.dispose();
  }
}
