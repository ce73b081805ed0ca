/**
 * Rotary position embedding (Su et al. 2021, arXiv 2104.09864) in the half-split form of transformers'
 * Llama and Qwen2, with the `linear` and `llama3` frequency scalings.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { ModelConfig, RopeConfig } from '../files/index.js';

/** [headDim/2] angular frequencies, in radians a position, after scaling. */
export function rotaryFrequencies(config: Pick<ModelConfig, 'headDim' | 'rope'>): Float64Array {
  const { headDim, rope } = config;
  return Float64Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = rope.theta ** (-(2 * i) / headDim);
    if (rope.type === 'linear') return frequency / rope.factor;
    if (rope.type === 'llama3') return scaleLlama3(frequency, rope as Required<RopeConfig>);
    return frequency;
  });
}

/** Llama 3.1's scaling: long wavelengths are stretched by `factor`, short ones kept, those between blended. */
function scaleLlama3(frequency: number, rope: Required<RopeConfig>): number {
  const turns = (rope.originalMaxPositionEmbeddings * frequency) / (2 * Math.PI);
  if (turns < rope.lowFreqFactor) return frequency / rope.factor;
  if (turns > rope.highFreqFactor) return frequency;
  const smooth = (turns - rope.lowFreqFactor) / (rope.highFreqFactor - rope.lowFreqFactor);
  return (1 - smooth) * (frequency / rope.factor) + smooth * frequency;
}

export interface RotaryTables {
  /** [N, 1, headDim/2] */
  cos: tf.Tensor3D;
  /** [N, 1, headDim/2] */
  sin: tf.Tensor3D;
}

/** Cosine and sine of every token's angles, computed in float64. Positions: [N]. The caller disposes both. */
export function rotaryTables(frequencies: Float64Array, positions: Int32Array): RotaryTables {
  const half = frequencies.length;
  const cos = new Float32Array(positions.length * half);
  const sin = new Float32Array(positions.length * half);
  for (let n = 0; n < positions.length; n++) {
    for (let i = 0; i < half; i++) {
      const angle = positions[n]! * frequencies[i]!;
      cos[n * half + i] = Math.cos(angle);
      sin[n * half + i] = Math.sin(angle);
    }
  }
  const shape: [number, number, number] = [positions.length, 1, half];
  return { cos: tf.tensor3d(cos, shape), sin: tf.tensor3d(sin, shape) };
}

/** Rotates x: [N, heads, headDim] by each token's angles. */
export function applyRotary(x: tf.Tensor3D, { cos, sin }: RotaryTables): tf.Tensor3D {
  const [n, heads, headDim] = x.shape;
  const half = headDim / 2;
  const first = tf.slice3d(x, [0, 0, 0], [n, heads, half]);
  const second = tf.slice3d(x, [0, 0, half], [n, heads, half]);
  return tf.concat3d(
    [
      tf.sub(tf.mul(first, cos), tf.mul(second, sin)) as tf.Tensor3D,
      tf.add(tf.mul(second, cos), tf.mul(first, sin)) as tf.Tensor3D,
    ],
    2,
  );
}

/** Gradient of {@link applyRotary}: the rotation by the opposite angle. */
export function applyRotaryGradient(dy: tf.Tensor3D, { cos, sin }: RotaryTables): tf.Tensor3D {
  const negative = tf.neg(sin);
  const dx = applyRotary(dy, { cos, sin: negative });
  negative.dispose();
  return dx;
}
