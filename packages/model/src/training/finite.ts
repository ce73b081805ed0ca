/** Whether weights are numbers at all: overflow during training, or a broken file, leaves NaN and infinities in them. */
import * as tf from '@tensorflow/tfjs-core';
import type { ParameterSet, ParameterSpec } from '../causal-lm/index.js';

/**
 * The first parameter that holds a NaN or an infinity; undefined where there is none. One parameter is looked at at a
 * time, on the engine: memory grows by the largest of them for that time.
 */
export async function nonFiniteParameter(parameters: ParameterSet): Promise<ParameterSpec | undefined> {
  const { specs } = parameters;
  if (specs.length === 0) return undefined;
  // x · 0 is 0 for numbers and NaN for all else; no sum of zeros overflows.
  const marks = tf.tidy(() =>
    tf.stack(specs.map(({ name }) => tf.tidy(() => tf.sum(tf.mul(parameters.get(name), 0))))),
  );
  const values = await marks.data();
  marks.dispose();
  return specs[values.findIndex((value) => value !== 0)];
}
