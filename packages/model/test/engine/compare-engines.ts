import * as tf from '@tensorflow/tfjs-core';
import { SeededRandom } from '@selective-dpo/foundation';
import { openEngine, type EngineName } from '../../src/engine/index.js';

/** A named input: its shape, and its values as whole numbers below `below`, or as floats in [-1, 1). */
export interface InputSpec {
  shape: number[];
  below?: number;
  /** Added to every value: e.g. 1.5 makes floats positive. */
  shift?: number;
}

export interface Outcome {
  shape: number[];
  values: Float64Array;
}

export interface Run {
  outcomes: Outcome[];
  /** Tensors alive after the run, with inputs and outputs disposed, minus those before it. */
  leaked: number;
}

/** Runs `compute` on an engine with the same seeded inputs every time, and disposes everything it was given or made. */
export async function runOn(
  engine: EngineName,
  specs: readonly InputSpec[],
  compute: (inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[],
): Promise<Run> {
  await openEngine(engine);
  const before = [tf.memory().numTensors, tf.memory().numDataBuffers];
  const random = new SeededRandom(7);
  const inputs = specs.map((spec) => {
    const size = spec.shape.reduce((product, extent) => product * extent, 1);
    const value = () =>
      spec.below === undefined ? random.next() * 2 - 1 + (spec.shift ?? 0) : random.below(spec.below);
    return tf.tensor(
      Array.from({ length: size }, value),
      spec.shape,
      spec.below === undefined ? 'float32' : 'int32',
    );
  });
  const outputs = tf.tidy(() => compute(inputs) as tf.Tensor[]);
  const list = Array.isArray(outputs) ? outputs : [outputs as tf.Tensor];
  const outcomes: Outcome[] = [];
  for (const output of list) {
    outcomes.push({ shape: output.shape, values: Float64Array.from(await output.data()) });
    output.dispose();
  }
  inputs.forEach((input) => input.dispose());
  const after = [tf.memory().numTensors, tf.memory().numDataBuffers];
  return { outcomes, leaked: Math.max(after[0]! - before[0]!, after[1]! - before[1]!) };
}

/** The largest difference between two runs' values, relative to the larger of 1 and the value. */
export function largestDifference(a: Run, b: Run): number {
  let largest = 0;
  a.outcomes.forEach((outcome, i) => {
    const other = b.outcomes[i]!;
    if (outcome.shape.join() !== other.shape.join()) largest = Infinity;
    outcome.values.forEach((value, j) => {
      const difference = Math.abs(value - other.values[j]!) / Math.max(1, Math.abs(value));
      if (!(difference <= largest)) largest = difference;
    });
  });
  return largest;
}
