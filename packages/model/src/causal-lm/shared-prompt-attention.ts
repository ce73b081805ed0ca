/**
 * The attention of a whole packed batch: from the joint projection of queries, keys and values to the heads' outputs and
 * back. One fused kernel where the engine has it; else the rotary embedding and attention group by group.
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  attentionBackward,
  attentionForward,
  disposeGroup,
  groupTensors,
  type AttentionShape,
  type GroupTensors,
  type SavedAttention,
} from './attention.js';
import { hasFused, runFused } from '../engine/fused-kernels.js';
import type { PackedBatch } from './packed-batch.js';
import { applyRotary, applyRotaryGradient, type RotaryTables } from './rotary-embedding.js';
import { scope } from './scope.js';

/** Which keys each query of a batch sees, on the engine: the batch's segments, or its groups of like length. */
export type AttentionLayout = { segments: tf.Tensor2D } | { groups: GroupTensors[] };

/** What attention needs of a batch. */
export interface AttentionContext {
  shape: AttentionShape;
  rotary: RotaryTables;
  layout: AttentionLayout;
}

/** Kept between forward and backward: of the fused kernel, or of each group. */
export type SavedBatchAttention =
  { joint: tf.Tensor2D; logSumExp: tf.Tensor2D } | { groups: SavedAttention[] };

/** @param plain groups even where the engine has the fused kernel. The caller disposes it: {@link disposeLayout}. */
export function attentionLayout(batch: PackedBatch, plain: boolean): AttentionLayout {
  const fused = !plain && hasFused('SdpoAttention') && hasFused('SdpoAttentionGradient');
  if (!fused) return { groups: batch.groups.map(groupTensors) };
  return { segments: tf.tensor2d(batch.segments, [batch.segments.length / 4, 4], 'int32') };
}

export function disposeLayout(layout: AttentionLayout): void {
  if ('segments' in layout) layout.segments.dispose();
  else layout.groups.forEach(disposeGroup);
}

/**
 * joint: [N, (heads + 2·kvHeads)·headDim] → [N, heads·headDim].
 * @param save whether a backward pass follows. Without, nothing but the output outlives the call.
 */
export function batchAttention(
  joint: tf.Tensor2D,
  context: AttentionContext,
  save: boolean,
): { attended: tf.Tensor2D; saved: SavedBatchAttention | undefined } {
  const { shape, rotary, layout } = context;
  if ('segments' in layout) {
    const inputs = { joint, ...rotary, segments: layout.segments };
    const [attended, logSumExp] = runFused('SdpoAttention', inputs, { ...shape }) as tf.Tensor2D[];
    if (!save) logSumExp!.dispose();
    return { attended: attended!, saved: save ? { joint, logSumExp: logSumExp! } : undefined };
  }
  return scope(() => {
    const { q, k, v } = rotatedHeads(joint, shape, rotary);
    const parts = layout.groups.map((group) => attentionForward(q, k, v, group, shape, save));
    const attended = concatRows(
      parts.map((part) => part.output),
      joint.shape[0],
    );
    return { attended, saved: save ? { groups: parts.map((part) => part.saved!) } : undefined };
  });
}

/** From dAttended: [N, heads·headDim] the gradient by joint. attended: the forward's output. */
export function batchAttentionGradient(
  saved: SavedBatchAttention,
  attended: tf.Tensor2D,
  dAttended: tf.Tensor2D,
  context: AttentionContext,
): tf.Tensor2D {
  const { shape, rotary, layout } = context;
  if ('joint' in saved) {
    const { joint, logSumExp } = saved;
    const segments = (layout as { segments: tf.Tensor2D }).segments;
    const inputs = { joint, ...rotary, segments, context: attended, logSumExp, dContext: dAttended };
    return runFused('SdpoAttentionGradient', inputs, { ...shape })[0] as tf.Tensor2D;
  }
  return groupsGradient(saved.groups, dAttended, context, (layout as { groups: GroupTensors[] }).groups);
}

function groupsGradient(
  saved: SavedAttention[],
  dAttended: tf.Tensor2D,
  { shape, rotary }: AttentionContext,
  groups: GroupTensors[],
): tf.Tensor2D {
  const { heads, kvHeads, headDim } = shape;
  const n = dAttended.shape[0];
  return scope(() => {
    const parts = groups.map((group, i) => {
      const own = tf.slice2d(dAttended, [group.start, 0], [group.rows, heads * headDim]);
      return attentionBackward(saved[i]!, own, group, shape);
    });
    const rows = (name: 'dq' | 'dk' | 'dv'): tf.Tensor2D =>
      concatRows(
        parts.map((part) => part[name]),
        n,
      );
    const dQueryKey = tf.reshape(tf.concat2d([rows('dq'), rows('dk')], 1), [n, heads + kvHeads, headDim]);
    const dUnrotated = applyRotaryGradient(dQueryKey as tf.Tensor3D, rotary);
    const flat = tf.reshape(dUnrotated, [n, (heads + kvHeads) * headDim]) as tf.Tensor2D;
    return tf.concat2d([flat, rows('dv')], 1);
  });
}

/** Rotated queries [N, heads, headDim] and keys, and values, [N, kvHeads, headDim], of a joint projection. */
export function rotatedHeads(
  joint: tf.Tensor2D,
  { heads, kvHeads, headDim }: AttentionShape,
  rotary: RotaryTables,
): { q: tf.Tensor3D; k: tf.Tensor3D; v: tf.Tensor3D } {
  const n = joint.shape[0];
  const all = tf.reshape(joint, [n, heads + 2 * kvHeads, headDim]) as tf.Tensor3D;
  const rotated = applyRotary(tf.slice3d(all, [0, 0, 0], [n, heads + kvHeads, headDim]), rotary);
  return {
    q: tf.slice3d(rotated, [0, 0, 0], [n, heads, headDim]),
    k: tf.slice3d(rotated, [0, heads, 0], [n, kvHeads, headDim]),
    v: tf.slice3d(all, [0, heads + kvHeads, 0], [n, kvHeads, headDim]),
  };
}

/** The groups' rows one below the other, then zeros up to `rows`. */
function concatRows(parts: tf.Tensor2D[], rows: number): tf.Tensor2D {
  const missing = rows - parts.reduce((sum, part) => sum + part.shape[0], 0);
  const all = missing === 0 ? parts : [...parts, tf.zeros([missing, parts[0]!.shape[1]]) as tf.Tensor2D];
  return all.length === 1 ? all[0]! : tf.concat2d(all, 0);
}

/** Tensors that {@link batchAttention} saved, for disposal. */
export function savedTensors(saved: SavedBatchAttention): tf.Tensor[] {
  if ('joint' in saved) return [saved.joint, saved.logSumExp];
  return saved.groups.flatMap(({ q, k, v, probabilities }) => [q, k, v, ...probabilities]);
}
