/** Attention of one long sequence, tile by tile, forward and backward: see attention-tiles.ts for what is computed. */
import * as tf from '@tensorflow/tfjs-core';
import type { AttentionSegment } from './attention-tiles.js';
import { matMul } from './matmul.js';
import { scope } from './scope.js';

/** An {@link AttentionSegment} with the masks of its tiles, [queries, keys] each, on the engine. */
export interface SegmentTensors extends AttentionSegment {
  masks: tf.Tensor2D[];
}

/** Queries that share a key-value head are stacked: [kvHeads, shared·T, headDim] holds T queries of `shared` heads. */
type Stacked = tf.Tensor3D;

/**
 * q: [kvHeads, g·T, headDim], scaled; k, v: [kvHeads, T, headDim] → context [kvHeads, g·T, headDim], and if a
 * backward pass follows (`save`) of each tile its probabilities [kvHeads, g·queries, keys].
 */
export function tiledForward(
  q: Stacked,
  k: Stacked,
  v: Stacked,
  segments: readonly SegmentTensors[],
  save: boolean,
): { context: Stacked; probabilities: tf.Tensor3D[] } {
  const contexts: tf.Tensor3D[] = [];
  const probabilities: tf.Tensor3D[] = [];
  for (const segment of segments) {
    const [keys, values] = [keysOf(k, segment), keysOf(v, segment)];
    segment.tiles.forEach((tile, i) => {
      const { context, saved } = scope(() => {
        const queries = queriesOf(q, k, tile);
        const scores = matMul(queries, firstRows(keys, tile.keys), { b: true });
        const [kvHeads, stacked] = scores.shape;
        const [own, seen] = segment.masks[i]!.shape;
        const perHead = tf.reshape(scores, [(kvHeads * stacked) / own, own, seen]);
        const softmax = tf.softmax(tf.add(perHead, segment.masks[i]!));
        const weights = tf.reshape(softmax, scores.shape) as tf.Tensor3D;
        const context = perQuery(matMul(weights, firstRows(values, tile.keys)), own);
        return { context, saved: save ? weights : undefined };
      });
      if (saved !== undefined) probabilities.push(saved);
      contexts.push(context);
    });
  }
  return { context: joinQueries(contexts, q), probabilities };
}

/** From dContext: [kvHeads, g·T, headDim] the gradients by q (before scaling is undone), k and v, in their shapes. */
export function tiledBackward(
  { q, k, v, probabilities }: { q: Stacked; k: Stacked; v: Stacked; probabilities: tf.Tensor3D[] },
  dContext: Stacked,
  segments: readonly SegmentTensors[],
): { dq: Stacked; dk: Stacked; dv: Stacked } {
  const dQueries: tf.Tensor3D[] = [];
  const dKeys = new KeyGradients(segments);
  const dValues = new KeyGradients(segments);
  let place = 0;
  segments.forEach((segment, s) => {
    const [keys, values] = [keysOf(k, segment), keysOf(v, segment)];
    for (const tile of segment.tiles) {
      const weights = probabilities[place++]!;
      const result = scope(() => {
        const own = queriesOf(dContext, k, tile);
        const dv = matMul(weights, own, { a: true });
        const dWeights = matMul(own, firstRows(values, tile.keys), { b: true });
        const weighted = tf.mul(dWeights, weights);
        const dScores = tf.sub(weighted, tf.mul(weights, tf.sum(weighted, 2, true))) as tf.Tensor3D;
        const dq = perQuery(matMul(dScores, firstRows(keys, tile.keys)), tile.end - tile.start);
        return { dq, dk: matMul(dScores, queriesOf(q, k, tile), { a: true }), dv };
      });
      dQueries.push(result.dq);
      dKeys.add(s, result.dk);
      dValues.add(s, result.dv);
    }
  });
  return { dq: joinQueries(dQueries, q), dk: dKeys.join(), dv: dValues.join() };
}

/** Sums of gradients by keys (or values), a list a segment; the prompt's keys get a share from every segment. */
class KeyGradients {
  private readonly sums: (tf.Tensor3D | undefined)[];

  constructor(private readonly segments: readonly AttentionSegment[]) {
    this.sums = segments.map(() => undefined);
  }

  /** gradient: [kvHeads, keys of a tile, headDim]. */
  add(segment: number, gradient: tf.Tensor3D): void {
    const { start, end, shared } = this.segments[segment]!;
    const missing = shared + end - start - gradient.shape[1];
    const whole =
      missing === 0
        ? gradient
        : tf.pad3d(gradient, [
            [0, 0],
            [0, missing],
            [0, 0],
          ]);
    const before = this.sums[segment];
    this.sums[segment] = before === undefined ? whole : tf.add(before, whole);
  }

  /** [kvHeads, T, headDim] */
  join(): tf.Tensor3D {
    const [prompt, ...responses] = this.sums.map((sum) => sum!);
    let shared = prompt!;
    const own = responses.map((sum, i) => {
      const { start, end, shared: seen } = this.segments[i + 1]!;
      const [kvHeads, , headDim] = sum.shape;
      shared = tf.add(shared, firstRows(sum, seen));
      return tf.slice3d(sum, [0, seen, 0], [kvHeads, end - start, headDim]);
    });
    return tf.concat3d([shared, ...own], 1);
  }
}

/** Keys (or values) of a segment: those of the prompt that it sees, then its own. */
function keysOf(x: tf.Tensor3D, { start, end, shared }: AttentionSegment): tf.Tensor3D {
  const [kvHeads, , headDim] = x.shape;
  if (start === shared) return firstRows(x, end);
  const own = tf.slice3d(x, [0, start, 0], [kvHeads, end - start, headDim]);
  return tf.concat3d([firstRows(x, shared), own], 1);
}

function firstRows(x: tf.Tensor3D, rows: number): tf.Tensor3D {
  const [kvHeads, all, headDim] = x.shape;
  return rows === all ? x : tf.slice3d(x, [0, 0, 0], [kvHeads, rows, headDim]);
}

/** The queries of a tile, stacked: [kvHeads, g·T, headDim] → [kvHeads, g·queries, headDim]. */
function queriesOf(x: Stacked, k: Stacked, { start, end }: { start: number; end: number }): Stacked {
  const [kvHeads, length, headDim] = k.shape;
  const heads = (kvHeads * x.shape[1]) / length;
  const perHead = tf.reshape(x, [heads, length, headDim]) as tf.Tensor3D;
  const own = tf.slice3d(perHead, [0, start, 0], [heads, end - start, headDim]);
  return tf.reshape(own, [kvHeads, (heads / kvHeads) * (end - start), headDim]);
}

/** [kvHeads, g·queries, headDim] → [heads, queries, headDim] */
function perQuery(x: Stacked, queries: number): tf.Tensor3D {
  const [kvHeads, stacked, headDim] = x.shape;
  return tf.reshape(x, [(kvHeads * stacked) / queries, queries, headDim]);
}

/** The inverse of {@link queriesOf} over all tiles, in the shape of `like`. */
function joinQueries(parts: tf.Tensor3D[], like: Stacked): Stacked {
  const joined = parts.length === 1 ? parts[0]! : tf.concat3d(parts, 1);
  return tf.reshape(joined, like.shape);
}
