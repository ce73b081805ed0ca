/** AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) with bias correction, the arithmetic of torch.optim.AdamW. */
import * as tf from '@tensorflow/tfjs-core';
import type { Gradients, ParameterSet, ParameterSpec } from '../causal-lm/index.js';
import type { FusedAdamW, FusedAdamWSlot } from '../engine/index.js';
import type { TensorSource } from '../files/index.js';
import { plainAdamW } from './plain-adamw.js';

export interface AdamWOptions {
  beta1: number;
  beta2: number;
  /** Added outside the square root. */
  epsilon: number;
  /** Decoupled decay, on matrices only: biases and norm weights are left alone, as in transformers' Trainer. */
  weightDecay: number;
}

export const ADAMW_DEFAULTS: AdamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/** The optimiser of one parameter set. Owns its moments; `dispose` frees them. */
export class AdamW {
  private readonly slots = new Map<string, FusedAdamWSlot>();
  private steps = 0;

  /** @param kernels the engine's own ones (`engine.fusedAdamW`) where it has any. */
  constructor(
    private readonly parameters: ParameterSet,
    private readonly options: AdamWOptions = ADAMW_DEFAULTS,
    private readonly kernels: FusedAdamW = plainAdamW,
  ) {
    for (const { name } of parameters.specs) this.slots.set(name, kernels.slot(parameters.get(name)));
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
      const slot = this.slots.get(spec.name)!;
      const given = gradients.get(spec.name);
      const gradient = given ?? tf.zeros(spec.shape);
      const weightDecay = spec.decays ? this.options.weightDecay : 0;
      this.parameters.replace(spec.name, () => {
        slot.update(this.steps, gradient, { ...this.options, learningRate, weightDecay, gradientScale });
        return slot.value();
      });
      gradient.dispose();
    }
    gradients.clear();
  }

  /** The optimiser's tensors for a checkpoint, named `exp_avg.<parameter>` and `exp_avg_sq.<parameter>`. */
  exportState(): TensorSource[] {
    return this.parameters.specs.flatMap(({ name, shape }) => [
      { name: `exp_avg.${name}`, shape, data: () => this.momentOf(name, 'expAvg') },
      { name: `exp_avg_sq.${name}`, shape, data: () => this.momentOf(name, 'expAvgSq') },
    ]);
  }

  private async momentOf(name: string, which: 'expAvg' | 'expAvgSq'): Promise<Float32Array> {
    const moments = this.slots.get(name)!.moments();
    const values = (await moments[which].data()) as Float32Array;
    tf.dispose(moments);
    return values;
  }

  /**
   * Restores what {@link exportState} gave, so that the next step is bit-equal to one without the break.
   * @throws RangeError for a tensor of another size than its parameter.
   */
  async restoreState(steps: number, read: (name: string) => Promise<Float32Array>): Promise<void> {
    for (const spec of this.parameters.specs) {
      const expAvg = await readMoment(`exp_avg.${spec.name}`, spec, read);
      const expAvgSq = await readMoment(`exp_avg_sq.${spec.name}`, spec, read);
      const moments = { expAvg: tf.tensor(expAvg, spec.shape), expAvgSq: tf.tensor(expAvgSq, spec.shape) };
      this.slots.get(spec.name)!.dispose();
      this.slots.set(spec.name, this.kernels.slot(this.parameters.get(spec.name), moments));
      tf.dispose(moments);
    }
    this.steps = steps;
  }

  dispose(): void {
    for (const slot of this.slots.values()) slot.dispose();
    this.slots.clear();
  }
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
