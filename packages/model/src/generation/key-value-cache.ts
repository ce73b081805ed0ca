/**
 * Keys and values of the tokens so far, of every layer, for several sequences: one slot each, with room for `capacity`
 * tokens. Room comes in blocks, so that few different shapes arise and most tokens are written in place.
 */
import * as tf from '@tensorflow/tfjs-core';
import { upTo } from '../causal-lm/index.js';
import { rowWriter } from '../engine/row-writes.js';
import type { ModelConfig } from '../files/index.js';

/** Tokens by which a slot grows. */
export const CACHE_BLOCK = 64;

/** Keys or values of a layer in one piece of memory, in the two shapes that they are written and read in. */
interface Held {
  /** [slots·kvHeads·capacity, headDim]: a slot's heads one after the other, a head's tokens one after the other. */
  rows: tf.Tensor2D;
  /** [slots·kvHeads, capacity, headDim] */
  stack: tf.Tensor3D;
}

interface LayerCache {
  k: Held;
  v: Held;
}

export type CacheShape = Pick<ModelConfig, 'numHiddenLayers' | 'numKeyValueHeads' | 'headDim'>;

/** Bytes that one token of one sequence takes in all layers. */
export function cacheBytesOfToken({ numHiddenLayers, numKeyValueHeads, headDim }: CacheShape): number {
  return 2 * 4 * numHiddenLayers * numKeyValueHeads * headDim;
}

export class KeyValueCache {
  private layers: LayerCache[] = [];
  private slotCount = 0;
  private tokenCapacity = 0;

  constructor(private readonly shape: CacheShape) {}

  get slots(): number {
    return this.slotCount;
  }

  /** Tokens that each slot has room for: a multiple of {@link CACHE_BLOCK}. */
  get capacity(): number {
    return this.tokenCapacity;
  }

  /** Makes room for at least so many slots of so many tokens; what is there stays, new room holds zeros. */
  reserve(slots: number, tokens: number): void {
    const capacity = Math.max(this.capacity, upTo(tokens, CACHE_BLOCK));
    if (slots <= this.slots && capacity === this.capacity) return;
    const more = [
      [0, (Math.max(slots, this.slots) - this.slots) * this.shape.numKeyValueHeads],
      [0, capacity - this.capacity],
      [0, 0],
    ] as [[number, number], [number, number], [number, number]];
    this.remake(Math.max(slots, this.slots), capacity, (stack) => tf.pad3d(stack, more));
  }

  /** Keeps these slots alone, in this order, with room for so many tokens. */
  keep(slots: readonly number[], tokens: number): void {
    if (slots.length === 0) return this.dispose();
    const { numKeyValueHeads: heads, headDim } = this.shape;
    const rows = slots.flatMap((slot) => Array.from({ length: heads }, (_, head) => slot * heads + head));
    const capacity = Math.min(this.capacity, upTo(tokens, CACHE_BLOCK));
    const fits = capacity === this.capacity;
    this.remake(slots.length, capacity, (stack) => {
      const shorter = fits ? stack : tf.slice3d(stack, [0, 0, 0], [-1, capacity, headDim]);
      return tf.gather(shorter, tf.tensor1d(rows, 'int32'));
    });
  }

  /** Rows of a token's keys (or values), one a head: [N·kvHeads] for N tokens, each by its slot and position. */
  places(slots: ArrayLike<number>, positions: ArrayLike<number>): Int32Array {
    const heads = this.shape.numKeyValueHeads;
    const places = new Int32Array(slots.length * heads);
    for (let i = 0; i < places.length; i++) {
      const token = Math.floor(i / heads);
      places[i] = (slots[token]! * heads + (i % heads)) * this.capacity + positions[token]!;
    }
    return places;
  }

  /** Writes keys and values, [N·kvHeads, headDim] each, to {@link places}. */
  write(layer: number, places: tf.Tensor1D, k: tf.Tensor2D, v: tf.Tensor2D): void {
    const held = this.layers[layer]!;
    held.k = this.written(held.k, places, k);
    held.v = this.written(held.v, places, v);
  }

  /**
   * All keys and values of a layer, [slots·kvHeads, capacity, headDim] each. They are the cache's own, and good until the next
   * {@link write}.
   */
  read(layer: number): { k: tf.Tensor3D; v: tf.Tensor3D } {
    const { k, v } = this.layers[layer]!;
    return { k: k.stack, v: v.stack };
  }

  dispose(): void {
    for (const { k, v } of this.layers) tf.dispose([k.rows, k.stack, v.rows, v.stack]);
    this.layers = [];
    this.slotCount = 0;
    this.tokenCapacity = 0;
  }

  private written(held: Held, places: tf.Tensor1D, values: tf.Tensor2D): Held {
    const rows = rowWriter()(held.rows, places, values);
    if (rows === held.rows) return held;
    held.stack.dispose();
    return this.held(rows);
  }

  private held(rows: tf.Tensor2D): Held {
    const { headDim } = this.shape;
    const stack = tf.reshape<tf.Rank.R3>(rows, [-1, this.tokenCapacity, headDim]);
    return { rows: tf.keep(rows), stack: tf.keep(stack) };
  }

  /** Replaces every layer's tensors one by one: at most one layer is there twice. */
  private remake(slots: number, capacity: number, change: (stack: tf.Tensor3D) => tf.Tensor3D): void {
    const { numHiddenLayers, numKeyValueHeads, headDim } = this.shape;
    const rows = slots * numKeyValueHeads * capacity;
    const made = (before: Held | undefined): Held => {
      const after = tf.tidy(() =>
        before === undefined
          ? tf.zeros<tf.Rank.R2>([rows, headDim])
          : tf.reshape<tf.Rank.R2>(change(before.stack), [rows, headDim]),
      );
      if (before !== undefined) tf.dispose([before.rows, before.stack]);
      return this.held(after);
    };
    this.slotCount = slots;
    this.tokenCapacity = capacity;
    for (let i = 0; i < numHiddenLayers; i++) {
      const before = this.layers[i];
      const k = made(before?.k);
      // Held at once: making the values may fail for want of memory.
      this.layers[i] = { k, v: before?.v ?? k };
      this.layers[i] = { k, v: made(before?.v) };
    }
  }
}
