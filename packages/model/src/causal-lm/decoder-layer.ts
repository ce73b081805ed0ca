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
  rotatedHeads,
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
  /** [N, D] after the attention's residual. */
  middle: tf.Tensor2D;
  /** [N, 2·intermediate] gate and up projections side by side. */
  gateUp: tf.Tensor2D;
}

/** Gradients by a layer's parameters, under the names of {@link LayerParameters}. */
export type LayerGradients = { [Name in keyof LayerParameters]: LayerParameters[Name] };

/** x Wᵀ (+ b). x: [N, in], W: [out, in], b: [out] → [N, out]. */
function linear(x: tf.Tensor2D, weight: tf.Tensor2D, bias: tf.Tensor1D | undefined): tf.Tensor2D {
  const y = matMul(x, weight, { b: true });
  return bias === undefined ? y : tf.add(y, bias);
}

/** [N, D] → [N, (heads + 2·kvHeads)·headDim]: queries, keys and values side by side. */
function jointProjection(x: tf.Tensor2D, parameters: LayerParameters, epsilon: number): tf.Tensor2D {
  return linear(rmsNorm(x, parameters.inputNorm, epsilon), parameters.qkv, parameters.qkvBias);
}

/** [N, D] → [N, D], with what the backward pass needs. Run inside tf.tidy; keeps nothing itself. */
export function decoderLayerForward(
  x: tf.Tensor2D,
  parameters: LayerParameters,
  context: LayerContext,
): { y: tf.Tensor2D; saved: SavedLayer } {
  const joint = jointProjection(x, parameters, context.epsilon);
  const { attended, saved } = batchAttention(joint, context, true);
  const { middle, gateUp, y } = afterAttention(x, attended, parameters, context.epsilon);
  return { y, saved: { x, attention: saved!, context: attended, middle, gateUp } };
}

/** The same [N, D] → [N, D], bit for bit, where no backward pass follows: only the output outlives each part. */
export function decoderLayerOutput(
  x: tf.Tensor2D,
  parameters: LayerParameters,
  context: LayerContext,
): tf.Tensor2D {
  return tf.tidy(() => {
    const attended = tf.tidy(
      () => batchAttention(jointProjection(x, parameters, context.epsilon), context, false).attended,
    );
    return afterAttention(x, attended, parameters, context.epsilon).y;
  });
}

/** Rotated queries [N, heads, headDim] and keys, and values, [N, kvHeads, headDim], of a layer's input [N, D]. */
export function projectQueryKeyValue(
  x: tf.Tensor2D,
  parameters: LayerParameters,
  { shape, epsilon, rotary }: Omit<LayerContext, 'layout'>,
): { q: tf.Tensor3D; k: tf.Tensor3D; v: tf.Tensor3D } {
  return rotatedHeads(jointProjection(x, parameters, epsilon), shape, rotary);
}

/** From the attention's output [N, heads·headDim] to the layer's output y: [N, D]; x: [N, D] its input. */
export function afterAttention(
  x: tf.Tensor2D,
  attended: tf.Tensor2D,
  parameters: LayerParameters,
  epsilon: number,
): { middle: tf.Tensor2D; gateUp: tf.Tensor2D; y: tf.Tensor2D } {
  const middle = tf.add(x, linear(attended, parameters.output, parameters.outputBias)) as tf.Tensor2D;
  const hidden = rmsNorm(middle, parameters.postAttentionNorm, epsilon);
  const gateUp = linear(hidden, parameters.gateUp, parameters.gateUpBias);
  const y = tf.add(middle, linear(swiglu(gateUp), parameters.down, parameters.downBias)) as tf.Tensor2D;
  return { middle, gateUp, y };
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

/** From dy: [N, D] the gradient by the input, [N, D], and by every parameter. Run inside tf.tidy. */
export function decoderLayerBackward(
  saved: SavedLayer,
  parameters: LayerParameters,
  context: LayerContext,
  dy: tf.Tensor2D,
): { dx: tf.Tensor2D; gradients: LayerGradients } {
  const mlp = mlpBackward(saved, parameters, context, dy);
  const dMiddle = tf.add(dy, mlp.dMiddle) as tf.Tensor2D;
  const attention = attentionPartBackward(saved, parameters, context, dMiddle);
  const dx = tf.add(dMiddle, attention.dx) as tf.Tensor2D;
  return { dx, gradients: { ...attention.gradients, ...mlp.gradients } };
}

function mlpBackward(saved: SavedLayer, parameters: LayerParameters, context: LayerContext, dy: tf.Tensor2D) {
  const { middle, gateUp } = saved;
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
  dMiddle: tf.Tensor2D,
) {
  const { epsilon } = context;
  const output = linearGradient(saved.context, parameters.output, parameters.outputBias, dMiddle);
  const dJoint = batchAttentionGradient(saved.attention, saved.context, output.dx, context);
  const normed = rmsNorm(saved.x, parameters.inputNorm, epsilon);
  const joint = linearGradient(normed, parameters.qkv, parameters.qkvBias, dJoint);
  const norm = rmsNormGradient(saved.x, parameters.inputNorm, epsilon, joint.dx);
  return {
    dx: norm.dx,
    gradients: {
      inputNorm: norm.dWeight,
      qkv: joint.dWeight,
      qkvBias: joint.dBias,
      output: output.dWeight,
      outputBias: output.dBias,
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
