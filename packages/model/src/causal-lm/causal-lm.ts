/**
 * A causal language model of the Llama or Qwen2 family on the engine: per-token log-probs of responses, and
 * their gradients. Nothing here knows of preferences: a caller turns log-probs into a loss and hands back
 * ∂loss/∂logp of every token.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensors, openWeights, readModelConfig, type ModelConfig } from '../files/index.js';
import { BackwardPass, disposeGradients, type Gradients, type PassOptions } from './backward-pass.js';
import { decoderLayerOutput, type LayerContext } from './decoder-layer.js';
import { headLogps } from './head-logps.js';
import { headMostLikely, type MostLikely } from './most-likely.js';
import { packBatch, type PackedBatch, type SharedPromptSequence } from './packed-batch.js';
import { joinByResponse, splitByResponse } from './response-lists.js';
import { loadParameters, parameterSpecs, type ParameterSet } from './parameters.js';
import { rmsNorm } from './rms-norm.js';
import { rotaryFrequencies, rotaryTables } from './rotary-embedding.js';
import { readAndDispose, scope } from './scope.js';
import { attentionLayout, disposeLayout } from './shared-prompt-attention.js';

/** Seconds spent in each phase of one pass. */
export interface PhaseSeconds {
  forward: number;
  head: number;
  backward: number;
}

export class CausalLM {
  private readonly frequencies: Float64Array;

  constructor(
    readonly config: ModelConfig,
    readonly parameters: ParameterSet,
  ) {
    this.frequencies = rotaryFrequencies(config);
  }

  /**
   * Loads a Hugging Face model directory onto the current engine.
   * @throws InputError, InputErrors for a directory that is damaged, incomplete or not supported.
   */
  static async load(directory: string): Promise<CausalLM> {
    const config = await readModelConfig(directory);
    const weights = await openWeights(directory);
    try {
      await checkTensors(weights, config);
      const parameters = await loadParameters(parameterSpecs(config), (name) => weights.read(name));
      return new CausalLM(config, parameters);
    } finally {
      await weights.close();
    }
  }

  dispose(): void {
    this.parameters.dispose();
  }

  /** [V, D] the output projection: the embedding itself where they are tied. */
  get headWeight(): tf.Tensor2D {
    return this.parameters.get(this.headName) as tf.Tensor2D;
  }

  private get headName(): string {
    return this.config.tieWordEmbeddings ? 'embedTokens' : 'lmHead';
  }

  /**
   * Log-prob of every response token given what precedes it, in nats: [sequence][response][token], float32; those of its
   * candidates follow, where a response has any.
   * No gradients; nothing stays on the engine.
   */
  async logps(
    sequences: readonly SharedPromptSequence[],
    { logitRows }: Pick<PassOptions, 'logitRows'> = {},
  ): Promise<Float32Array[][]> {
    if (sequences.length === 0) return [];
    return this.withoutGradients(sequences, async (batch, hidden) => {
      const logps = tf.tidy(
        () => headLogps(hidden(), this.headWeight, batch.targetIds, logitRows, batch.candidates).logps,
      );
      return splitByResponse(batch, await readAndDispose(logps));
    });
  }

  /**
   * As {@link logps}, and of every response token's place the `n` most likely tokens, the likeliest first: [token · n] a
   * response. No response has candidates.
   */
  async mostLikely(
    sequences: readonly SharedPromptSequence[],
    n: number,
    { logitRows }: Pick<PassOptions, 'logitRows'> = {},
  ): Promise<{ logps: Float32Array[][]; top: MostLikely[][] }> {
    if (sequences.length === 0) return { logps: [], top: [] };
    return this.withoutGradients(sequences, async (batch, hidden) => {
      const x = hidden();
      try {
        const { logps, top } = await headMostLikely(x, this.headWeight, batch.targetIds, n, logitRows);
        const lists: MostLikely[][] = sequences.map(() => []);
        for (const { sequence, response, start, length } of batch.spans) {
          const [begin, end] = [start * n, (start + length) * n];
          lists[sequence]![response] = {
            ids: top.ids.slice(begin, end),
            logps: top.logps.slice(begin, end),
          };
        }
        return { logps: splitByResponse(batch, logps), top: lists };
      } finally {
        x.dispose();
      }
    });
  }

  /** @param use is given what computes the normed hidden states of the targets, [M, D], which are then its own. */
  private async withoutGradients<Result>(
    sequences: readonly SharedPromptSequence[],
    use: (batch: PackedBatch, hidden: () => tf.Tensor2D) => Promise<Result>,
  ): Promise<Result> {
    const batch = packBatch(sequences);
    const context = this.layerContext(batch);
    try {
      return await use(batch, () => tf.tidy(() => this.finalNorm(this.throughLayers(batch, context))));
    } finally {
      disposeContext(context);
    }
  }

  /** [M, D] what the last layer gives for the targets. Run inside tf.tidy. */
  private throughLayers(batch: PackedBatch, context: LayerContext): tf.Tensor2D {
    const headRows = ids(batch.headRows);
    let x = this.embed(batch);
    for (let i = 0; i < this.config.numHiddenLayers; i++) {
      const before = x;
      x = decoderLayerOutput(
        before,
        this.parameters.layer(i),
        context,
        this.isLast(i) ? headRows : undefined,
      );
      before.dispose();
    }
    return x;
  }

  /**
   * One forward and one backward pass.
   * @param lossGradient receives the log-probs [sequence][response][token] and returns ∂loss/∂logp in the same
   *   layout, candidates included; tokens with 0 cost nothing in the head's backward pass. When all are 0 there are no gradients.
   * @returns gradients: `options.gradients` where that was given.
   */
  async forwardBackward(
    sequences: readonly SharedPromptSequence[],
    lossGradient: (logps: Float32Array[][]) => readonly (readonly Float32Array[])[],
    options: PassOptions = {},
  ): Promise<{ logps: Float32Array[][]; gradients: Gradients; seconds: PhaseSeconds }> {
    const given = options.gradients ?? new Map<string, tf.Tensor>();
    if (sequences.length === 0) {
      return { logps: [], gradients: given, seconds: { forward: 0, head: 0, backward: 0 } };
    }
    let context: LayerContext | undefined;
    let pass: BackwardPass | undefined;
    try {
      const batch = packBatch(sequences);
      context = this.layerContext(batch);
      pass = new BackwardPass(this, batch, context, { ...options, gradients: given });
      const clock = [performance.now()];
      pass.forward();
      clock.push(performance.now());
      const logps = splitByResponse(batch, await pass.head());
      clock.push(performance.now());
      pass.backward(joinByResponse(batch, lossGradient(logps)));
      clock.push(performance.now());
      const [forward, head, backward] = clock.slice(1).map((at, i) => (at - clock[i]!) / 1000);
      return {
        logps,
        gradients: given,
        seconds: { forward: forward!, head: head!, backward: backward! },
      };
    } catch (error) {
      disposeGradients(given);
      throw error;
    } finally {
      pass?.dispose();
      if (context !== undefined) disposeContext(context);
    }
  }

  /**
   * What every layer of a batch shares. The caller disposes it: {@link disposeContext}.
   * @param plain attention by groups even where the engine has a fused kernel for it.
   */
  layerContext(batch: PackedBatch, plain = false): LayerContext {
    const { numAttentionHeads: heads, numKeyValueHeads: kvHeads, headDim, rmsNormEps } = this.config;
    return scope(() => ({
      shape: { heads, kvHeads, headDim },
      epsilon: rmsNormEps,
      rotary: rotaryTables(this.frequencies, batch.positions),
      layout: attentionLayout(batch, plain),
    }));
  }

  /** Token embeddings of a batch: [N, D]. */
  embed(batch: PackedBatch): tf.Tensor2D {
    return tf.tidy(() => tf.gather(this.parameters.get('embedTokens') as tf.Tensor2D, ids(batch.ids)));
  }

  /** The norm before the head: [M, D] → [M, D]. */
  finalNorm(x: tf.Tensor2D): tf.Tensor2D {
    return rmsNorm(x, this.parameters.get('norm') as tf.Tensor1D, this.config.rmsNormEps);
  }

  /** Of the last layer only the rows that predict a response token are computed to the end. */
  isLast(layer: number): boolean {
    return layer === this.config.numHiddenLayers - 1;
  }
}

function ids(values: Int32Array): tf.Tensor1D {
  return tf.tensor1d(values, 'int32');
}

/** Disposes what {@link CausalLM.layerContext} made. */
export function disposeContext({ rotary, layout }: LayerContext): void {
  tf.dispose([rotary.cos, rotary.sin]);
  disposeLayout(layout);
}
