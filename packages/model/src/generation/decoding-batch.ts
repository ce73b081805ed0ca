/**
 * Sequences that are generated together, a slot each: prompts enter at any step, ended sequences leave, and a step computes
 * one more token of all. Greedy output equals decoding without a cache, token by token.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { TokenIds } from '@selective-dpo/foundation';
import {
  MASKED,
  disposeContext,
  packBatch,
  rotaryFrequencies,
  type CausalLM,
  type PackedBatch,
} from '../causal-lm/index.js';
import { afterAttention, jointProjection, rowsOf, type LayerContext } from '../causal-lm/decoder-layer.js';
import { matMul } from '../causal-lm/matmul.js';
import { batchAttention, rotatedHeads } from '../causal-lm/shared-prompt-attention.js';
import { KeyValueCache } from './key-value-cache.js';
import { rotaryColumns, rotateColumns, type RotaryColumns } from './rotary-columns.js';

/** Where heads stand in a joint projection cut into heads, [B·(heads + 2·kvHeads), headDim]. */
interface HeadRows {
  /** [B·kvHeads, heads/kvHeads] of the queries, those together that share a key-value head. */
  q: tf.Tensor2D;
  /** [B·kvHeads] */
  k: tf.Tensor1D;
  /** [B·kvHeads] */
  v: tf.Tensor1D;
}

/** What all layers of one step share. */
interface StepTensors {
  rotary: RotaryColumns;
  rows: HeadRows;
  /** [B·kvHeads] rows of the cache that the step writes. */
  places: tf.Tensor1D;
  /** [B·kvHeads, 1, capacity] */
  mask: tf.Tensor3D;
}

export class DecodingBatch {
  private readonly cache: KeyValueCache;
  private readonly frequencies: Float64Array;
  /** Tokens in the cache by slot; undefined where the slot is free. */
  private lengths: (number | undefined)[] = [];

  constructor(private readonly model: CausalLM) {
    this.cache = new KeyValueCache(model.config);
    this.frequencies = rotaryFrequencies(model.config);
  }

  /**
   * Takes prompts of at least one token in and computes them. Free slots are used first.
   * @returns their slots, and the logits of each one's next token, [prompts, V], which the caller disposes.
   */
  add(prompts: readonly TokenIds[]): { slots: number[]; logits: tf.Tensor2D } {
    const slots = this.takeSlots(prompts);
    // The longest first, as a packed batch has them.
    const order = prompts.map((_, i) => i).sort((a, b) => prompts[b]!.length - prompts[a]!.length || a - b);
    const sequences = order.map((i) => ({ prompt: prompts[i]!, responses: [] }));
    const batch = packBatch(sequences);
    const context = this.model.layerContext(batch);
    try {
      const hidden = this.promptHidden(
        batch,
        context,
        order.map((i) => slots[i]!),
        order.map((i) => prompts[i]!.length),
      );
      const back = Int32Array.from(prompts, (_, i) => order.indexOf(i));
      const logits = tf.tidy(() => this.logitsOf(tf.gather(hidden, tf.tensor1d(back, 'int32'))));
      hidden.dispose();
      return { slots, logits };
    } finally {
      disposeContext(context);
    }
  }

  /**
   * Appends a token to every sequence; there must be no free slot. ids: [slots].
   * @returns logits of the next token, [slots, V], which the caller disposes.
   */
  step(ids: Int32Array): tf.Tensor2D {
    const positions = this.lengths.map((length) => length!);
    this.cache.reserve(positions.length, Math.max(...positions) + 1);
    const { model } = this;
    const shared = this.stepTensors(positions);
    try {
      const logits = tf.tidy(() => {
        let x = tf.gather(model.parameters.get('embedTokens') as tf.Tensor2D, tf.tensor1d(ids, 'int32'));
        for (let i = 0; i < model.config.numHiddenLayers; i++) x = tf.tidy(() => this.layer(x, i, shared));
        return this.logitsOf(x);
      });
      this.lengths = positions.map((position) => position + 1);
      return logits;
    } finally {
      tf.dispose([
        ...Object.values(shared.rotary),
        ...Object.values(shared.rows),
        shared.places,
        shared.mask,
      ]);
    }
  }

  /** Ends the sequence of a slot. */
  release(slot: number): void {
    this.lengths[slot] = undefined;
  }

  /** Closes the gaps that {@link release} left. Returns the old slots of those that stay, in their new order. */
  compact(): number[] {
    const kept = this.lengths.flatMap((length, slot) => (length === undefined ? [] : [slot]));
    if (kept.length < this.lengths.length) {
      this.lengths = kept.map((slot) => this.lengths[slot]);
      this.cache.keep(kept, Math.max(1, ...this.lengths.map((length) => length!)));
    }
    return kept;
  }

  dispose(): void {
    this.cache.dispose();
    this.lengths = [];
  }

  private takeSlots(prompts: readonly TokenIds[]): number[] {
    const free = this.lengths.flatMap((length, slot) => (length === undefined ? [slot] : []));
    const slots = prompts.map((_, i) => free[i] ?? this.lengths.length + i - free.length);
    this.cache.reserve(
      Math.max(this.lengths.length, ...slots.map((slot) => slot + 1)),
      Math.max(...prompts.map((prompt) => prompt.length)),
    );
    slots.forEach((slot, i) => (this.lengths[slot] = prompts[i]!.length));
    return slots;
  }

  /** Hidden states of the prompts' last tokens before the final norm, [prompts, D]; fills the cache. */
  private promptHidden(
    batch: PackedBatch,
    context: LayerContext,
    slots: readonly number[],
    lengths: readonly number[],
  ): tf.Tensor2D {
    const { model } = this;
    const slotOfRow = lengths.flatMap((length, i) => new Array<number>(length).fill(slots[i]!));
    let last = -1;
    const lastRows = Int32Array.from(lengths, (length) => (last += length));
    return tf.tidy(() => {
      const places = tf.tensor1d(this.cache.places(slotOfRow, batch.positions), 'int32');
      const ends = tf.tensor1d(lastRows, 'int32');
      let x = model.embed(batch);
      for (let i = 0; i < model.config.numHiddenLayers; i++) {
        const rows = model.isLast(i) ? ends : undefined;
        x = tf.tidy(() => this.promptLayer(x, i, context, places, rows));
      }
      return x;
    });
  }

  private promptLayer(
    x: tf.Tensor2D,
    index: number,
    context: LayerContext,
    places: tf.Tensor1D,
    rows: tf.Tensor1D | undefined,
  ): tf.Tensor2D {
    const { shape, rotary, epsilon } = context;
    const parameters = this.model.parameters.layer(index);
    const joint = jointProjection(x, parameters, epsilon);
    tf.tidy(() => {
      const { k, v } = rotatedHeads(joint, shape, rotary);
      this.cache.write(index, places, headRows(k, places.size), headRows(v, places.size));
    });
    const attended = rowsOf(batchAttention(joint, context, false).attended, rows);
    return afterAttention(rowsOf(x, rows), attended, parameters, epsilon);
  }

  /** One layer of a step. x: [B, D] → [B, D]. */
  private layer(x: tf.Tensor2D, index: number, { rotary, rows, places, mask }: StepTensors): tf.Tensor2D {
    const { numAttentionHeads: heads, numKeyValueHeads: kvHeads, headDim, rmsNormEps } = this.model.config;
    const parameters = this.model.parameters.layer(index);
    const batch = x.shape[0];
    const rotated = rotateColumns(jointProjection(x, parameters, rmsNormEps), rotary);
    const ofHeads = tf.reshape(rotated, [batch * (heads + 2 * kvHeads), headDim]) as tf.Tensor2D;
    this.cache.write(index, places, tf.gather(ofHeads, rows.k), tf.gather(ofHeads, rows.v));
    const attended = tf.tidy(() => {
      const { k, v } = this.cache.read(index);
      const q = tf.gather(ofHeads, rows.q) as tf.Tensor as tf.Tensor3D;
      const probabilities = tf.softmax(tf.add(matMul(q, k, { b: true }), mask) as tf.Tensor3D);
      return tf.reshape(matMul(probabilities, v), [batch, heads * headDim]) as tf.Tensor2D;
    });
    return afterAttention(x, attended, parameters, rmsNormEps);
  }

  private stepTensors(positions: readonly number[]): StepTensors {
    const { numAttentionHeads: heads, numKeyValueHeads: kvHeads, headDim } = this.model.config;
    const { capacity } = this.cache;
    const rows = positions.length * kvHeads;
    const mask = new Float32Array(rows * capacity);
    for (let row = 0; row < rows; row++) {
      mask.fill(MASKED, row * capacity + positions[Math.floor(row / kvHeads)]! + 1, (row + 1) * capacity);
    }
    return {
      rotary: rotaryColumns(this.frequencies, { heads, kvHeads, headDim }, positions),
      rows: headRowsOf(positions.length, heads, kvHeads),
      places: tf.tensor1d(this.cache.places([...positions.keys()], positions), 'int32'),
      mask: tf.tensor3d(mask, [rows, 1, capacity]),
    };
  }

  private logitsOf(x: tf.Tensor2D): tf.Tensor2D {
    return matMul(this.model.finalNorm(x), this.model.headWeight, { b: true });
  }
}

/** [N, heads, headDim] → the first `count` of its heads, one a row: the packed rows at the end are of no sequence. */
function headRows(x: tf.Tensor3D, count: number): tf.Tensor2D {
  return tf.slice2d(tf.reshape(x, [-1, x.shape[2]]), [0, 0], [count, x.shape[2]]);
}

function headRowsOf(batch: number, heads: number, kvHeads: number): HeadRows {
  const all = heads + 2 * kvHeads;
  const rows = (first: number, count: number): Int32Array =>
    Int32Array.from({ length: batch * count }, (_, i) => Math.floor(i / count) * all + first + (i % count));
  return {
    q: tf.tensor2d(rows(0, heads), [batch * kvHeads, heads / kvHeads], 'int32'),
    k: tf.tensor1d(rows(heads, kvHeads), 'int32'),
    v: tf.tensor1d(rows(heads + kvHeads, kvHeads), 'int32'),
  };
}
