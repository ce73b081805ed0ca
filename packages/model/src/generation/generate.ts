/**
 * Text generation with a key-value cache: a prompt's keys and values are computed once, then one token a step for
 * a whole batch of prompts. Greedy output equals decoding without a cache, token by token.
 */
import * as tf from '@tensorflow/tfjs-core';
import { SeededRandom, mixSeeds, type TokenIds } from '@selective-dpo/foundation';
import {
  MASKED,
  disposeContext,
  packBatch,
  rotaryFrequencies,
  rotaryTables,
  type CausalLM,
} from '../causal-lm/index.js';
import { afterAttention, decoderLayerForward, projectQueryKeyValue } from '../causal-lm/decoder-layer.js';
import type { SavedAttention } from '../causal-lm/attention.js';
import { matMul } from '../causal-lm/matmul.js';
import { rmsNorm } from '../causal-lm/rms-norm.js';
import { scope } from '../causal-lm/scope.js';
import { GREEDY, sampleToken, type SamplingOptions } from './sampling.js';

export interface GenerateOptions {
  maxNewTokens: number;
  /** Generation of a prompt ends with any of these; it is not part of the result. */
  stopIds: readonly number[];
  sampling?: SamplingOptions;
  /** Each prompt draws from its own sequence, by its place in the list: batch size changes nothing. */
  seed?: number;
  /** Prompts computed together. */
  batchSize?: number;
}

/** Keys and values of one layer: [B·kvHeads, T, headDim] each. */
interface LayerCache {
  k: tf.Tensor3D;
  v: tf.Tensor3D;
}

/**
 * Continues every prompt (at least one token each). Returns the new tokens of each, in the order given.
 * @throws RangeError for an empty prompt.
 */
export async function generate(
  model: CausalLM,
  prompts: readonly TokenIds[],
  options: GenerateOptions,
): Promise<Int32Array[]> {
  const order = prompts.map((_, i) => i).sort((a, b) => prompts[b]!.length - prompts[a]!.length || a - b);
  const results = new Array<Int32Array>(prompts.length);
  const size = options.batchSize ?? 64;
  for (let begin = 0; begin < order.length; begin += size) {
    const members = order.slice(begin, begin + size);
    const batch = new GenerationBatch(model, members, prompts, options);
    try {
      const continued = await batch.run();
      members.forEach((place, i) => (results[place] = continued[i]!));
    } finally {
      batch.dispose();
    }
  }
  return results;
}

/** Prompts of one batch, longest first, and the cache of their keys and values, padded at the right to P. */
class GenerationBatch {
  private readonly prompts: TokenIds[];
  private readonly length: number;
  private readonly randoms: SeededRandom[];
  private readonly output: number[][];
  private caches: LayerCache[] = [];

  constructor(
    private readonly model: CausalLM,
    members: readonly number[],
    prompts: readonly TokenIds[],
    private readonly options: GenerateOptions,
  ) {
    this.prompts = members.map((i) => prompts[i]!);
    this.length = this.prompts[0]!.length;
    this.randoms = members.map((i) => new SeededRandom(mixSeeds(options.seed ?? 0, i)));
    this.output = members.map(() => []);
  }

  async run(): Promise<Int32Array[]> {
    const stops = new Set(this.options.stopIds);
    const finished = this.prompts.map(() => false);
    let logits = this.prefill();
    for (let step = 0; step < this.options.maxNewTokens; step++) {
      const next = await this.sample(logits);
      next.forEach((id, i) => {
        if (!finished[i] && stops.has(id)) finished[i] = true;
        if (!finished[i]) this.output[i]!.push(id);
      });
      if (finished.every(Boolean) || step + 1 === this.options.maxNewTokens) break;
      logits = this.decode(next, step);
    }
    return this.output.map((ids) => Int32Array.from(ids));
  }

  /** Computes the prompts, keeps their keys and values; logits of the next token, [B, V]. */
  private prefill(): tf.Tensor2D {
    const { model } = this;
    const batch = packBatch(
      this.prompts.map((prompt) => ({ prompt, responses: [] })),
      { maxScores: Infinity, maxPadding: 1, lengthMultiple: 1, rowMultiple: 1, tiledFrom: Infinity },
    );
    const context = model.layerContext(batch, true);
    let last = -1;
    const lastRows = Int32Array.from(this.prompts, (prompt) => (last += prompt.length));
    try {
      return scope(() => {
        let x = model.embed(batch);
        for (let i = 0; i < model.config.numHiddenLayers; i++) {
          const { y, saved } = decoderLayerForward(x, model.parameters.layer(i), context);
          const { k, v } = (saved.attention as { groups: SavedAttention[] }).groups[0]!;
          this.caches.push({ k: tf.keep(tf.clone(k)), v: tf.keep(tf.clone(v)) });
          x = y;
        }
        return this.logitsOf(tf.gather(x, tf.tensor1d(lastRows, 'int32')));
      });
    } finally {
      disposeContext(context);
    }
  }

  /** One token for every prompt; logits of the next, [B, V]. */
  private decode(ids: Int32Array, step: number): tf.Tensor2D {
    const { model, prompts } = this;
    const positions = Int32Array.from(prompts, (prompt) => prompt.length + step);
    const { rotary, mask } = scope(() => ({
      rotary: rotaryTables(rotaryFrequencies(model.config), positions),
      mask: this.keyMask(step),
    }));
    const logits = scope(() => {
      const embedding = model.parameters.get('embedTokens') as tf.Tensor2D;
      let x = tf.gather(embedding, tf.tensor1d(ids, 'int32'));
      for (let i = 0; i < model.config.numHiddenLayers; i++) x = this.decodeLayer(x, i, rotary, mask);
      return this.logitsOf(x);
    });
    for (const tensor of [rotary.cos, rotary.sin, mask]) tensor.dispose();
    return logits;
  }

  private decodeLayer(
    x: tf.Tensor2D,
    index: number,
    rotary: ReturnType<typeof rotaryTables>,
    mask: tf.Tensor3D,
  ): tf.Tensor2D {
    const {
      numAttentionHeads: heads,
      numKeyValueHeads: kvHeads,
      headDim,
      rmsNormEps: epsilon,
    } = this.model.config;
    const batch = this.prompts.length;
    const parameters = this.model.parameters.layer(index);
    const shape = { heads, kvHeads, headDim };
    const { q, k, v } = projectQueryKeyValue(x, parameters, { shape, epsilon, rotary });
    const before = this.caches[index]!;
    const cache = {
      k: tf.keep(tf.concat3d([before.k, tf.reshape(k, [batch * kvHeads, 1, headDim])], 1)),
      v: tf.keep(tf.concat3d([before.v, tf.reshape(v, [batch * kvHeads, 1, headDim])], 1)),
    };
    before.k.dispose();
    before.v.dispose();
    this.caches[index] = cache;
    const scaled = tf.mul(q, 1 / Math.sqrt(headDim));
    const queries = tf.reshape(scaled, [batch * kvHeads, heads / kvHeads, headDim]) as tf.Tensor3D;
    const scores = matMul(queries, cache.k, { b: true });
    const keys = cache.k.shape[1];
    const masked = tf.add(tf.reshape(scores, [batch, heads, keys]), mask);
    const probabilities = tf.reshape(tf.softmax(masked), scores.shape) as tf.Tensor3D;
    const attended = tf.reshape(matMul(probabilities, cache.v), [batch, heads * headDim]) as tf.Tensor2D;
    return afterAttention(x, attended, parameters, epsilon);
  }

  /** [B, 1, P + step + 1]: a prompt's own tokens and all generated ones, not the padding between them. */
  private keyMask(step: number): tf.Tensor3D {
    const keys = this.length + step + 1;
    const mask = new Float32Array(this.prompts.length * keys);
    this.prompts.forEach((prompt, i) => mask.fill(MASKED, i * keys + prompt.length, i * keys + this.length));
    return tf.tensor3d(mask, [this.prompts.length, 1, keys]);
  }

  private logitsOf(x: tf.Tensor2D): tf.Tensor2D {
    const norm = this.model.parameters.get('norm') as tf.Tensor1D;
    return matMul(rmsNorm(x, norm, this.model.config.rmsNormEps), this.model.headWeight, { b: true });
  }

  private async sample(logits: tf.Tensor2D): Promise<Int32Array> {
    const values = (await logits.data()) as Float32Array;
    const vocab = logits.shape[1];
    logits.dispose();
    const sampling = this.options.sampling ?? GREEDY;
    return Int32Array.from(this.randoms, (random, i) =>
      sampleToken(values.subarray(i * vocab, (i + 1) * vocab), sampling, random),
    );
  }

  dispose(): void {
    for (const { k, v } of this.caches) {
      k.dispose();
      v.dispose();
    }
    this.caches = [];
  }
}
