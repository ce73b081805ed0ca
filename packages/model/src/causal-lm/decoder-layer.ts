/**
 * One decoder layer of the Llama and Qwen2 families, forward and backward by hand. There is no gradient tape:
 * the layer either keeps what its backward pass needs, or keeps its input alone and computes the rest anew.
 *
 *   x₂ = x + attention(rmsNorm(x)) Woᵀ        y = x₂ + (silu(h Wgᵀ) ⊙ h Wuᵀ) Wdᵀ, h = rmsNorm(x₂)
 */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from '../engine/fused-kernels.js';
import { matMul } from './matmul.js';
import type { LayerParameters } from './parameters.js';
import { rmsNorm, rmsNormGradient } from './rms-norm.js';
import {
  batchAttention,
  batchAttentionGradient,
  type AttentionContext,
  type SavedBatchAttention,
} from './shared-prompt-attention.js';

/** What every layer of a batch shares. */
export interface LayerContext extends AttentionContext {
  epsilon: number;
}

/** Kept between a layer's forward and backward pass. */
export interface SavedLayer {
  /** [N, D] the layer's input. */
  x: tf.Tensor2D;
  attention: SavedBatchAttention;
  /** [N, heads·headDim] */
  context: tf.Tensor2D;
  /** [N, D] after the attention's residual; [M, D] in a layer that was asked for M rows. */
  middle: tf.Tensor2D;
  /** [N or M, 2·intermediate] gate and up projections side by side. */
  gateUp: tf.Tensor2D;
}

/** Gradients by a layer's parameters, under the names of {@link LayerParameters}. */
export type LayerGradients = { [Name in keyof LayerParameters]: LayerParameters[Name] };

/** x Wᵀ (+ b). x: [N, in], W: [out, in], b: [out] → [N, out]. */
function linear(x: tf.Tensor2D, weight: tf.Tensor2D, bias: tf.Tensor1D | undefined): tf.Tensor2D {
  const y = matMul(x, weight, { b: true });
  return bias === undefined ? y : tf.add(y, bias);
}

/** [N, D] → [N, (heads + 2·kvHeads)·headDim]: queries, keys and values side by side, before the rotary embedding. */
export function jointProjection(x: tf.Tensor2D, parameters: LayerParameters, epsilon: number): tf.Tensor2D {
  return linear(rmsNorm(x, parameters.inputNorm, epsilon), parameters.qkv, parameters.qkvBias);
}

/**
 * [N, D] → [N, D], with what the backward pass needs. Run inside tf.tidy; keeps nothing itself.
 * @param rows [M] the rows whose output is asked for, where not all are: then only they go through what follows the
 *   attention, and the result is [M, D]. The last layer needs no other.
 */
export function decoderLayerForward(
  x: tf.Tensor2D,
  parameters: LayerParameters,
  context: LayerContext,
  rows?: tf.Tensor1D,
): { y: tf.Tensor2D; saved: SavedLayer } {
  const saved = decoderLayerActivations(x, parameters, context, rows);
  return { y: mlpOutput(saved, parameters), saved };
}

/** The same without the layer's output: what a backward pass computes anew. */
export function decoderLayerActivations(
  x: tf.Tensor2D,
  parameters: LayerParameters,
  context: LayerContext,
  rows?: tf.Tensor1D,
): SavedLayer {
  const joint = jointProjection(x, parameters, context.epsilon);
  const { attended, saved } = batchAttention(joint, context, true);
  const [own, ownAttended] = [rowsOf(x, rows), rowsOf(attended, rows)];
  const inner = upToGateUp(own, ownAttended, parameters, context.epsilon);
  return { x, attention: saved!, context: attended, ...inner };
}

/** The same, bit for bit, where no backward pass follows: only the output outlives each part. */
export function decoderLayerOutput(
  x: tf.Tensor2D,
  parameters: LayerParameters,
  context: LayerContext,
  rows?: tf.Tensor1D,
): tf.Tensor2D {
  return tf.tidy(() => {
    const attended = tf.tidy(() => {
      const joint = jointProjection(x, parameters, context.epsilon);
      return rowsOf(batchAttention(joint, context, false).attended, rows);
    });
    return afterAttention(rowsOf(x, rows), attended, parameters, context.epsilon);
  });
}

/** The given rows of a matrix, or all. */
export function rowsOf(x: tf.Tensor2D, rows: tf.Tensor1D | undefined): tf.Tensor2D {
  return rows === undefined ? x : tf.gather(x, rows);
}

/** From the attention's output [N, heads·headDim] to the layer's output: [N, D]; x: [N, D] its input. */
export function afterAttention(
  x: tf.Tensor2D,
  attended: tf.Tensor2D,
  parameters: LayerParameters,
  epsilon: number,
): tf.Tensor2D {
  return mlpOutput(upToGateUp(x, attended, parameters, epsilon), parameters);
}

type Inner = Pick<SavedLayer, 'middle' | 'gateUp'>;

function upToGateUp(
  x: tf.Tensor2D,
  attended: tf.Tensor2D,
  parameters: LayerParameters,
  epsilon: number,
): Inner {
  const middle = tf.add(x, linear(attended, parameters.output, parameters.outputBias)) as tf.Tensor2D;
  const hidden = rmsNorm(middle, parameters.postAttentionNorm, epsilon);
  return { middle, gateUp: linear(hidden, parameters.gateUp, parameters.gateUpBias) };
}

function mlpOutput({ middle, gateUp }: Inner, parameters: LayerParameters): tf.Tensor2D {
  return tf.add(middle, linear(swiglu(gateUp), parameters.down, parameters.downBias));
}

/** silu(gate) ⊙ up. gateUp: [N, 2F] → [N, F]. */
export function swiglu(gateUp: tf.Tensor2D): tf.Tensor2D {
  if (hasFused('SdpoSwiglu')) return runFused('SdpoSwiglu', { gateUp }, {})[0] as tf.Tensor2D;
  const [gate, up] = halves(gateUp);
  return tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
}

function halves(gateUp: tf.Tensor2D): [tf.Tensor2D, tf.Tensor2D] {
  const [n, both] = gateUp.shape;
  return [tf.slice2d(gateUp, [0, 0], [n, both / 2]), tf.slice2d(gateUp, [0, both / 2], [n, both / 2])];
}

/** From dActivated: [N, F] dGateUp: [N, 2F], and the forward value once more; silu′(g) = σ(g)·(1 + g·(1 − σ(g))). */
export function swigluGradient(
  gateUp: tf.Tensor2D,
  dActivated: tf.Tensor2D,
): { dGateUp: tf.Tensor2D; activated: tf.Tensor2D } {
  if (hasFused('SdpoSwigluGradient')) {
    const outputs = runFused('SdpoSwigluGradient', { gateUp, dActivated }, {}) as tf.Tensor2D[];
    return { dGateUp: outputs[0]!, activated: outputs[1]! };
  }
  const [gate, up] = halves(gateUp);
  const sigma = tf.sigmoid(gate);
  const silu = tf.mul(gate, sigma);
  // silu′ = σ + silu·(1 − σ)
  const slope = tf.add(sigma, tf.mul(silu, tf.sub(1, sigma)));
  const dGate = tf.mul(tf.mul(dActivated, up), slope) as tf.Tensor2D;
  const dGateUp = tf.concat2d([dGate, tf.mul(dActivated, silu) as tf.Tensor2D], 1);
  return { dGateUp, activated: tf.mul(silu, up) };
}

/** Output rows with a gradient, where all others have none: what a layer's backward pass needs to leave those out. */
export interface KeptRows {
  /** [K] places among the layer's output rows. */
  places: tf.Tensor1D;
  /** [K] the packed rows that they are. */
  rows: tf.Tensor1D;
  /** Sums [K, width] into the packed rows, [N, width]. */
  scatter: (values: tf.Tensor2D) => tf.Tensor2D;
}

/**
 * From dy: [N, D] the gradient by the input, [N, D], and by every parameter. Run inside tf.tidy.
 * @param kept after a forward pass for given rows: those of dy, [K, D].
 */
export function decoderLayerBackward(
  saved: SavedLayer,
  parameters: LayerParameters,
  context: LayerContext,
  dy: tf.Tensor2D,
  kept?: KeptRows,
): { dx: tf.Tensor2D; gradients: LayerGradients } {
  const [middle, gateUp] = [rowsOf(saved.middle, kept?.places), rowsOf(saved.gateUp, kept?.places)];
  const mlp = mlpBackward(middle, gateUp, parameters, context, dy);
  const dMiddle = tf.add(dy, mlp.dMiddle) as tf.Tensor2D;
  const attended = rowsOf(saved.context, kept?.rows);
  const output = linearGradient(attended, parameters.output, parameters.outputBias, dMiddle);
  const everywhere = kept?.scatter ?? ((values: tf.Tensor2D) => values);
  const attention = attentionPartBackward(saved, parameters, context, everywhere(output.dx));
  const dx = tf.add(everywhere(dMiddle), attention.dx) as tf.Tensor2D;
  const gradients = {
    output: output.dWeight,
    outputBias: output.dBias,
    ...attention.gradients,
    ...mlp.gradients,
  };
  return { dx, gradients };
}

function mlpBackward(
  middle: tf.Tensor2D,
  gateUp: tf.Tensor2D,
  parameters: LayerParameters,
  context: LayerContext,
  dy: tf.Tensor2D,
) {
  const { dGateUp, activated } = swigluGradient(gateUp, matMul(dy, parameters.down));
  const hidden = rmsNorm(middle, parameters.postAttentionNorm, context.epsilon);
  const up = linearGradient(hidden, parameters.gateUp, parameters.gateUpBias, dGateUp);
  const norm = rmsNormGradient(middle, parameters.postAttentionNorm, context.epsilon, up.dx);
  return {
    dMiddle: norm.dx,
    gradients: {
      postAttentionNorm: norm.dWeight,
      gateUp: up.dWeight,
      gateUpBias: up.dBias,
      down: matMul(dy, activated, { a: true }),
      downBias: biasGradient(parameters.downBias, dy),
    },
  };
}

function attentionPartBackward(
  saved: SavedLayer,
  parameters: LayerParameters,
  context: LayerContext,
  dContext: tf.Tensor2D,
) {
  const { epsilon } = context;
  const dJoint = batchAttentionGradient(saved.attention, saved.context, dContext, context);
  const normed = rmsNorm(saved.x, parameters.inputNorm, epsilon);
  const joint = linearGradient(normed, parameters.qkv, parameters.qkvBias, dJoint);
  const norm = rmsNormGradient(saved.x, parameters.inputNorm, epsilon, joint.dx);
  return {
    dx: norm.dx,
    gradients: {
      inputNorm: norm.dWeight,
      qkv: joint.dWeight,
      qkvBias: joint.dBias,
    },
  };
}

function linearGradient(x: tf.Tensor2D, weight: tf.Tensor2D, bias: tf.Tensor1D | undefined, dy: tf.Tensor2D) {
  return {
    dx: matMul(dy, weight),
    dWeight: matMul(dy, x, { a: true }),
    dBias: biasGradient(bias, dy),
  };
}

function biasGradient(bias: tf.Tensor1D | undefined, dy: tf.Tensor2D): tf.Tensor1D | undefined {
  return bias === undefined ? undefined : tf.sum(dy, 0);
}
