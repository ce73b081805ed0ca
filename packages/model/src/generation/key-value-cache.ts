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

/** [slots·kvHeads·capacity, headDim] each: a slot's heads one after the other, a head's tokens one after the other. */
interface LayerCache {
  k: tf.Tensor2D;
  v: tf.Tensor2D;
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
    this.remake(slots.length, capacity, (stack) => {
      const shorter =
        capacity === this.capacity ? stack : tf.slice3d(stack, [0, 0, 0], [-1, capacity, headDim]);
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
    const write = rowWriter();
    held.k = tf.keep(write(held.k, places, k));
    held.v = tf.keep(write(held.v, places, v));
  }

  /**
   * All keys and values of a layer, [slots·kvHeads, capacity, headDim] each. They belong to the enclosing tidy, and must be gone
   * before the next {@link write}.
   */
  read(layer: number): { k: tf.Tensor3D; v: tf.Tensor3D } {
    const { k, v } = this.layers[layer]!;
    return { k: this.stacked(k), v: this.stacked(v) };
  }

  dispose(): void {
    for (const { k, v } of this.layers) tf.dispose([k, v]);
    this.layers = [];
    this.slotCount = 0;
    this.tokenCapacity = 0;
  }

  private stacked(x: tf.Tensor2D): tf.Tensor3D {
    const { numKeyValueHeads, headDim } = this.shape;
    return tf.reshape(x, [this.slots * numKeyValueHeads, this.capacity, headDim]);
  }

  /** Replaces every layer's tensors one by one: at most one layer is there twice. */
  private remake(slots: number, capacity: number, change: (stack: tf.Tensor3D) => tf.Tensor3D): void {
    const { numHiddenLayers, numKeyValueHeads, headDim } = this.shape;
    const rows = slots * numKeyValueHeads * capacity;
    const made = (before: tf.Tensor2D | undefined): tf.Tensor2D => {
      const after = tf.tidy(() =>
        before === undefined
          ? tf.zeros<tf.Rank.R2>([rows, headDim])
          : tf.reshape<tf.Rank.R2>(change(this.stacked(before)), [rows, headDim]),
      );
      before?.dispose();
      return tf.keep(after);
    };
    for (let i = 0; i < numHiddenLayers; i++) {
      const before = this.layers[i];
      this.layers[i] = { k: made(before?.k), v: made(before?.v) };
    }
    this.slotCount = slots;
    this.tokenCapacity = capacity;
  }
}
