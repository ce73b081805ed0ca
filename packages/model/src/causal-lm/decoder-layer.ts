/**
 * One decoder layer of the Llama and Qwen2 families, forward and backward by hand. There is no gradient tape:
 * the layer either keeps what its backward pass needs, or keeps its input alone and computes the rest anew.
 *
 *   x₂ = x + attention(rmsNorm(x)) Woᵀ        y = x₂ + (silu(h Wgᵀ) ⊙ h Wuᵀ) Wdᵀ, h = rmsNorm(x₂)
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  attentionBackward,
  attentionForward,
  type AttentionShape,
  type GroupTensors,
  type SavedAttention,
} from './attention.js';
import { matMul } from './matmul.js';
import type { LayerParameters } from './parameters.js';
import { rmsNorm, rmsNormGradient } from './rms-norm.js';
import { applyRotary, applyRotaryGradient, type RotaryTables } from './rotary-embedding.js';

/** What every layer of a batch shares. */
export interface LayerContext {
  shape: AttentionShape;
  epsilon: number;
  rotary: RotaryTables;
  groups: GroupTensors[];
}

/** Kept between a layer's forward and backward pass. */
export interface SavedLayer {
  /** [N, D] the layer's input. */
  x: tf.Tensor2D;
  attention: SavedAttention[];
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

/** Cuts q, k, v: [N, heads, headDim] out of the joint projection [N, (heads + 2·kvHeads)·headDim]. */
function splitProjection(joint: tf.Tensor2D, { heads, kvHeads, headDim }: AttentionShape) {
  const n = joint.shape[0];
  const all = tf.reshape(joint, [n, heads + 2 * kvHeads, headDim]) as tf.Tensor3D;
  return {
    queryKey: tf.slice3d(all, [0, 0, 0], [n, heads + kvHeads, headDim]),
    value: tf.slice3d(all, [0, heads + kvHeads, 0], [n, kvHeads, headDim]),
  };
}

/** [N, D] → [N, D], with what the backward pass needs. Run inside tf.tidy; keeps nothing itself. */
export function decoderLayerForward(
  x: tf.Tensor2D,
  parameters: LayerParameters,
  context: LayerContext,
): { y: tf.Tensor2D; saved: SavedLayer } {
  const { q, k, v } = projectQueryKeyValue(x, parameters, context);
  const parts = context.groups.map((group) => attentionForward(q, k, v, group, context.shape, true));
  const attended = concatRows(
    parts.map((part) => part.output),
    x.shape[0],
  );
  const { middle, gateUp, y } = afterAttention(x, attended, parameters, context.epsilon);
  const attention = parts.map((part) => part.saved!);
  return { y, saved: { x, attention, context: attended, middle, gateUp } };
}

/** The same [N, D] → [N, D], bit for bit, where no backward pass follows: only the output outlives each part. */
export function decoderLayerOutput(
  x: tf.Tensor2D,
  parameters: LayerParameters,
  context: LayerContext,
): tf.Tensor2D {
  return tf.tidy(() => {
    const attended = tf.tidy(() => {
      const { q, k, v } = projectQueryKeyValue(x, parameters, context);
      return concatRows(
        context.groups.map((group) => attentionForward(q, k, v, group, context.shape, false).output),
        x.shape[0],
      );
    });
    return afterAttention(x, attended, parameters, context.epsilon).y;
  });
}

/** Rotated queries [N, heads, headDim] and keys, and values, [N, kvHeads, headDim], of a layer's input [N, D]. */
export function projectQueryKeyValue(
  x: tf.Tensor2D,
  parameters: LayerParameters,
  { shape, epsilon, rotary }: Omit<LayerContext, 'groups'>,
): { q: tf.Tensor3D; k: tf.Tensor3D; v: tf.Tensor3D } {
  const { heads, kvHeads, headDim } = shape;
  const n = x.shape[0];
  const normed = rmsNorm(x, parameters.inputNorm, epsilon);
  const { queryKey, value } = splitProjection(linear(normed, parameters.qkv, parameters.qkvBias), shape);
  const rotated = applyRotary(queryKey, rotary);
  const q = tf.slice3d(rotated, [0, 0, 0], [n, heads, headDim]);
  const k = tf.slice3d(rotated, [0, heads, 0], [n, kvHeads, headDim]);
  return { q, k, v: value };
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
function swiglu(gateUp: tf.Tensor2D): tf.Tensor2D {
  const [gate, up] = halves(gateUp);
  return tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
}

function halves(gateUp: tf.Tensor2D): [tf.Tensor2D, tf.Tensor2D] {
  const [n, both] = gateUp.shape;
  return [tf.slice2d(gateUp, [0, 0], [n, both / 2]), tf.slice2d(gateUp, [0, both / 2], [n, both / 2])];
}

/** d swiglu: [N, F] → [N, 2F], with silu′(g) = σ(g)·(1 + g·(1 − σ(g))). */
function swigluGradient(gateUp: tf.Tensor2D, dActivated: tf.Tensor2D): tf.Tensor2D {
  const [gate, up] = halves(gateUp);
  const sigma = tf.sigmoid(gate);
  const silu = tf.mul(gate, sigma);
  // silu′ = σ + silu·(1 − σ)
  const slope = tf.add(sigma, tf.mul(silu, tf.sub(1, sigma)));
  const dGate = tf.mul(tf.mul(dActivated, up), slope) as tf.Tensor2D;
  return tf.concat2d([dGate, tf.mul(dActivated, silu) as tf.Tensor2D], 1);
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
  const down = linearGradient(swiglu(gateUp), parameters.down, parameters.downBias, dy);
  const dGateUp = swigluGradient(gateUp, down.dx);
  const hidden = rmsNorm(middle, parameters.postAttentionNorm, context.epsilon);
  const up = linearGradient(hidden, parameters.gateUp, parameters.gateUpBias, dGateUp);
  const norm = rmsNormGradient(middle, parameters.postAttentionNorm, context.epsilon, up.dx);
  return {
    dMiddle: norm.dx,
    gradients: {
      postAttentionNorm: norm.dWeight,
      gateUp: up.dWeight,
      gateUpBias: up.dBias,
      down: down.dWeight,
      downBias: down.dBias,
    },
  };
}

function attentionPartBackward(
  saved: SavedLayer,
  parameters: LayerParameters,
  { shape, epsilon, groups, rotary }: LayerContext,
  dMiddle: tf.Tensor2D,
) {
  const { heads, kvHeads, headDim } = shape;
  const n = saved.x.shape[0];
  const output = linearGradient(saved.context, parameters.output, parameters.outputBias, dMiddle);
  const parts = groups.map((group, i) => {
    const own = tf.slice2d(output.dx, [group.start, 0], [group.rows, heads * headDim]);
    return attentionBackward(saved.attention[i]!, own, group, shape);
  });
  const dQueryKey = tf.concat2d(
    [
      concatRows(
        parts.map((part) => part.dq),
        n,
      ),
      concatRows(
        parts.map((part) => part.dk),
        n,
      ),
    ],
    1,
  );
  const dUnrotated = applyRotaryGradient(tf.reshape(dQueryKey, [n, heads + kvHeads, headDim]), rotary);
  const dJoint = tf.concat2d(
    [
      tf.reshape(dUnrotated, [n, (heads + kvHeads) * headDim]) as tf.Tensor2D,
      concatRows(
        parts.map((part) => part.dv),
        n,
      ),
    ],
    1,
  );
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
    dBias: bias === undefined ? undefined : (tf.sum(dy, 0) as tf.Tensor1D),
  };
}

/** The groups' rows one below the other, then zeros up to `rows`. */
function concatRows(parts: tf.Tensor2D[], rows: number): tf.Tensor2D {
  const missing = rows - parts.reduce((sum, part) => sum + part.shape[0], 0);
  const all = missing === 0 ? parts : [...parts, tf.zeros([missing, parts[0]!.shape[1]]) as tf.Tensor2D];
  return all.length === 1 ? all[0]! : tf.concat2d(all, 0);
}
