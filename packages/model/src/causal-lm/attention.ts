/**
 * Grouped-query attention (Ainslie et al. 2023, arXiv 2305.13245) over packed tokens, forward and backward.
 * Queries that share a key-value head are stacked along the query axis, so keys and values are never repeated.
 */
import * as tf from '@tensorflow/tfjs-core';
import { tileMask } from './attention-tiles.js';
import { matMul } from './matmul.js';
import { MASKED, type AttentionGroup } from './packed-batch.js';
import { scope } from './scope.js';
import { tiledBackward, tiledForward, type SegmentTensors } from './tiled-attention.js';

export interface AttentionShape {
  heads: number;
  kvHeads: number;
  headDim: number;
}

/** An {@link AttentionGroup} with its index lists and mask on the engine. */
export interface GroupTensors extends Pick<AttentionGroup, 'size' | 'length' | 'start' | 'rows'> {
  /** undefined where the group has no padding: packed rows are the padded places, in order. */
  index: { pad: tf.Tensor1D; pack: tf.Tensor1D } | undefined;
  /** [size, 1, T, T], or the segments of one long sequence. */
  seen: { mask: tf.Tensor4D } | { segments: SegmentTensors[] };
}

/** Puts a group's index lists and mask on the engine. The caller disposes them with {@link disposeGroup}. */
export function groupTensors(group: AttentionGroup): GroupTensors {
  const { size, length, start, rows, padIndex, packIndex, seen } = group;
  return {
    size,
    length,
    start,
    rows,
    index:
      rows === size * length
        ? undefined
        : { pad: tf.tensor1d(padIndex, 'int32'), pack: tf.tensor1d(packIndex, 'int32') },
    seen:
      'mask' in seen
        ? { mask: tf.tensor4d(seen.mask, [size, 1, length, length]) }
        : {
            segments: seen.segments.map((segment) => ({
              ...segment,
              masks: segment.tiles.map((tile) =>
                tf.tensor2d(tileMask(segment, tile, MASKED), [tile.end - tile.start, tile.keys]),
              ),
            })),
          },
  };
}

export function disposeGroup({ index, seen }: GroupTensors): void {
  index?.pad.dispose();
  index?.pack.dispose();
  if ('mask' in seen) seen.mask.dispose();
  else for (const { masks } of seen.segments) tf.dispose(masks);
}

/** What the backward pass of one group needs. */
export interface SavedAttention {
  /** [size·kvHeads, (heads/kvHeads)·T, headDim], already scaled by 1/√headDim. */
  q: tf.Tensor3D;
  /** [size·kvHeads, T, headDim] */
  k: tf.Tensor3D;
  /** [size·kvHeads, T, headDim] */
  v: tf.Tensor3D;
  /** [size·kvHeads, (heads/kvHeads)·T, T], or of each tile. */
  probabilities: tf.Tensor3D[];
}

/**
 * softmax(q kᵀ / √headDim + mask) v for one group.
 * q: [N, heads, headDim], k, v: [N, kvHeads, headDim], all packed → [rows, heads·headDim].
 * @param save whether a backward pass follows. Without, nothing but the output outlives the call.
 */
export function attentionForward(
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  group: GroupTensors,
  shape: AttentionShape,
  save: boolean,
): { output: tf.Tensor2D; saved: SavedAttention | undefined } {
  return scope(() => {
    const scaled = tf.mul(rowsOf(q, group), 1 / Math.sqrt(shape.headDim)) as tf.Tensor2D;
    const stackedQ = splitHeads(scaled, shape.heads, group, shape);
    const stackedK = splitHeads(rowsOf(k, group), shape.kvHeads, group, shape);
    const stackedV = splitHeads(rowsOf(v, group), shape.kvHeads, group, shape);
    const { context, probabilities } =
      'mask' in group.seen
        ? denseForward(stackedQ, stackedK, stackedV, group.seen.mask)
        : tiledForward(stackedQ, stackedK, stackedV, group.seen.segments, save);
    const output = joinHeads(context, shape.heads, group, shape);
    return { output, saved: save ? { q: stackedQ, k: stackedK, v: stackedV, probabilities } : undefined };
  });
}

/** q: [size·kvHeads, g·T, headDim], k, v: [size·kvHeads, T, headDim], mask: [size, 1, T, T]. */
function denseForward(q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, mask: tf.Tensor4D) {
  const scores = matMul(q, k, { b: true });
  const [size, , length] = mask.shape;
  const perHead = tf.reshape(scores, [size, scores.size / (size * length * length), length, length]);
  const weights = tf.reshape(tf.softmax(tf.add(perHead, mask)), scores.shape) as tf.Tensor3D;
  return { context: matMul(weights, v), probabilities: [weights] };
}

/** Gradients by q, k and v of one group: [rows, heads·headDim] and twice [rows, kvHeads·headDim]. */
export function attentionBackward(
  saved: SavedAttention,
  dOutput: tf.Tensor2D,
  group: GroupTensors,
  shape: AttentionShape,
): { dq: tf.Tensor2D; dk: tf.Tensor2D; dv: tf.Tensor2D } {
  return scope(() => {
    const dContext = splitHeads(dOutput, shape.heads, group, shape);
    const { dq, dk, dv } =
      'mask' in group.seen
        ? denseBackward(saved, dContext)
        : tiledBackward(saved, dContext, group.seen.segments);
    const unscaled = tf.mul(dq, 1 / Math.sqrt(shape.headDim)) as tf.Tensor3D;
    return {
      dq: joinHeads(unscaled, shape.heads, group, shape),
      dk: joinHeads(dk, shape.kvHeads, group, shape),
      dv: joinHeads(dv, shape.kvHeads, group, shape),
    };
  });
}

function denseBackward({ q, k, v, probabilities }: SavedAttention, dContext: tf.Tensor3D) {
  const weights = probabilities[0]!;
  const weighted = tf.mul(matMul(dContext, v, { b: true }), weights);
  const dScores = tf.sub(weighted, tf.mul(weights, tf.sum(weighted, 2, true))) as tf.Tensor3D;
  return {
    dq: matMul(dScores, k),
    dk: matMul(dScores, q, { a: true }),
    dv: matMul(weights, dContext, { a: true }),
  };
}

/** The group's packed rows, heads side by side: [rows, heads·headDim]. */
function rowsOf(x: tf.Tensor3D, group: GroupTensors): tf.Tensor2D {
  const [, heads, headDim] = x.shape;
  const own = tf.slice3d(x, [group.start, 0, 0], [group.rows, heads, headDim]);
  return tf.reshape(own, [group.rows, heads * headDim]);
}

/** [rows, heads·headDim] packed → [size·kvHeads, (heads/kvHeads)·T, headDim]; padding becomes zeros. */
function splitHeads(x: tf.Tensor2D, heads: number, group: GroupTensors, shape: AttentionShape): tf.Tensor3D {
  const { size, length } = group;
  const shared = heads / shape.kvHeads;
  const padded = group.index === undefined ? x : tf.gather(withZeroRow(x), group.index.pad);
  const split = tf.reshape(padded, [size, length, shape.kvHeads, shared, shape.headDim]);
  return tf.reshape(tf.transpose(split, [0, 2, 3, 1, 4]), [
    size * shape.kvHeads,
    shared * length,
    shape.headDim,
  ]);
}

/** The inverse of {@link splitHeads}. */
function joinHeads(x: tf.Tensor3D, heads: number, group: GroupTensors, shape: AttentionShape): tf.Tensor2D {
  const { size, length } = group;
  const shared = heads / shape.kvHeads;
  const split = tf.reshape(x, [size, shape.kvHeads, shared, length, shape.headDim]);
  const padded = tf.reshape(tf.transpose(split, [0, 3, 1, 2, 4]), [size * length, heads * shape.headDim]);
  return (group.index === undefined ? padded : tf.gather(padded, group.index.pack)) as tf.Tensor2D;
}

function withZeroRow(x: tf.Tensor2D): tf.Tensor2D {
  return tf.concat2d([x, tf.zeros([1, x.shape[1]])], 0);
}
