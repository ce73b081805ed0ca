/** AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) with bias correction, the arithmetic of torch.optim.AdamW. */
import * as tf from '@tensorflow/tfjs-core';
import type { Gradients, ParameterSet, ParameterSpec } from '../causal-lm/index.js';
import type { TensorSource } from '../files/index.js';

export interface AdamWOptions {
  beta1: number;
  beta2: number;
  /** Added outside the square root. */
  epsilon: number;
  /** Decoupled decay, on matrices only: biases and norm weights are left alone, as in transformers' Trainer. */
  weightDecay: number;
}

export const ADAMW_DEFAULTS: AdamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

interface Moments {
  expAvg: tf.Tensor;
  expAvgSq: tf.Tensor;
}

/** The optimiser of one parameter set. Owns its moments; `dispose` frees them. */
export class AdamW {
  private readonly moments = new Map<string, Moments>();
  private steps = 0;

  constructor(
    private readonly parameters: ParameterSet,
    private readonly options: AdamWOptions = ADAMW_DEFAULTS,
  ) {
    for (const spec of parameters.specs) {
      this.moments.set(spec.name, { expAvg: zeros(spec), expAvgSq: zeros(spec) });
    }
  }

  /** Optimiser steps taken. */
  get stepCount(): number {
    return this.steps;
  }

  /**
   * One update of every parameter; a parameter without a gradient is updated with 0. Consumes `gradients`.
   * @param gradientScale factor applied to every gradient first (clipping).
   */
  step(gradients: Gradients, learningRate: number, gradientScale = 1): void {
    this.steps++;
    for (const spec of this.parameters.specs) {
      const gradient = gradients.get(spec.name);
      const moments = this.moments.get(spec.name)!;
      const next = this.updated(spec, moments, gradient, learningRate, gradientScale);
      this.parameters.assign(spec.name, next.value);
      moments.expAvg.dispose();
      moments.expAvgSq.dispose();
      this.moments.set(spec.name, { expAvg: tf.keep(next.expAvg), expAvgSq: tf.keep(next.expAvgSq) });
      gradient?.dispose();
    }
    gradients.clear();
  }

  private updated(
    spec: ParameterSpec,
    { expAvg, expAvgSq }: Moments,
    gradient: tf.Tensor | undefined,
    learningRate: number,
    gradientScale: number,
  ): { value: tf.Tensor; expAvg: tf.Tensor; expAvgSq: tf.Tensor } {
    const { beta1, beta2, epsilon, weightDecay } = this.options;
    const correction1 = 1 - beta1 ** this.steps;
    const correction2 = Math.sqrt(1 - beta2 ** this.steps);
    return tf.tidy(() => {
      const raw = gradient ?? tf.zerosLike(expAvg);
      const g = gradientScale === 1 ? raw : tf.mul(raw, gradientScale);
      const m = tf.add(tf.mul(expAvg, beta1), tf.mul(g, 1 - beta1));
      const v = tf.add(tf.mul(expAvgSq, beta2), tf.mul(tf.square(g), 1 - beta2));
      const scale = tf.add(tf.div(tf.sqrt(v), correction2), epsilon);
      const before = this.parameters.get(spec.name);
      const decayed =
        spec.decays && weightDecay !== 0 ? tf.mul(before, 1 - learningRate * weightDecay) : before;
      const value = tf.sub(decayed, tf.mul(tf.div(m, scale), learningRate / correction1));
      return { value, expAvg: m, expAvgSq: v };
    });
  }

  /** The optimiser's tensors for a checkpoint, named `exp_avg.<parameter>` and `exp_avg_sq.<parameter>`. */
  exportState(): TensorSource[] {
    return this.parameters.specs.flatMap((spec) => [
      {
        name: `exp_avg.${spec.name}`,
        shape: spec.shape,
        data: async () => (await this.moments.get(spec.name)!.expAvg.data()) as Float32Array,
      },
      {
        name: `exp_avg_sq.${spec.name}`,
        shape: spec.shape,
        data: async () => (await this.moments.get(spec.name)!.expAvgSq.data()) as Float32Array,
      },
    ]);
  }

  /**
   * Restores what {@link exportState} gave, so that the next step is bit-equal to one without the break.
   * @throws RangeError for a tensor of another size than its parameter.
   */
  async restoreState(steps: number, read: (name: string) => Promise<Float32Array>): Promise<void> {
    for (const spec of this.parameters.specs) {
      const expAvg = await readMoment(`exp_avg.${spec.name}`, spec, read);
      const expAvgSq = await readMoment(`exp_avg_sq.${spec.name}`, spec, read);
      const before = this.moments.get(spec.name)!;
      before.expAvg.dispose();
      before.expAvgSq.dispose();
      this.moments.set(spec.name, {
        expAvg: tf.keep(tf.tensor(expAvg, spec.shape)),
        expAvgSq: tf.keep(tf.tensor(expAvgSq, spec.shape)),
      });
    }
    this.steps = steps;
  }

  dispose(): void {
    for (const { expAvg, expAvgSq } of this.moments.values()) {
      expAvg.dispose();
      expAvgSq.dispose();
    }
    this.moments.clear();
  }
}

function zeros(spec: ParameterSpec): tf.Tensor {
  return tf.keep(tf.zeros(spec.shape));
}

async function readMoment(
  name: string,
  { shape }: ParameterSpec,
  read: (name: string) => Promise<Float32Array>,
): Promise<Float32Array> {
  const values = await read(name);
  const size = shape.reduce((a, b) => a * b, 1);
  if (values.length === size) return values;
  throw new RangeError(`${name} has ${values.length} values, its parameter ${size}`);
}
