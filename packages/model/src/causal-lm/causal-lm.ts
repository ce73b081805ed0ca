/**
 * A causal language model of the Llama or Qwen2 family on the engine: per-token log-probs of responses, and
 * their gradients. Nothing here knows of preferences: a caller turns log-probs into a loss and hands back
 * ∂loss/∂logp of every token.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensors, openWeights, readModelConfig, type ModelConfig } from '../files/index.js';
import {
  decoderLayerBackward,
  decoderLayerForward,
  decoderLayerOutput,
  type LayerContext,
  type SavedLayer,
} from './decoder-layer.js';
import { headLogps, headLogpsGradient } from './head-logps.js';
import {
  packBatch,
  joinByResponse,
  splitByResponse,
  type PackedBatch,
  type SharedPromptSequence,
} from './packed-batch.js';
import { loadParameters, parameterSpecs, type ParameterSet } from './parameters.js';
import { rmsNorm, rmsNormGradient } from './rms-norm.js';
import { rotaryFrequencies, rotaryTables } from './rotary-embedding.js';
import { scope } from './scope.js';
import { attentionLayout, disposeLayout, savedTensors } from './shared-prompt-attention.js';

/** What a layer keeps for its backward pass: everything, or its input alone (the rest is computed anew). */
export type ActivationPolicy = 'keep' | 'recompute';

/** Seconds spent in each phase of one pass. */
export interface PhaseSeconds {
  forward: number;
  head: number;
  backward: number;
}

/** Gradients by parameter name. The receiver owns the tensors. */
export type Gradients = Map<string, tf.Tensor>;

type Activation = { input: tf.Tensor2D } | { saved: SavedLayer };

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
   * Log-prob of every response token given what precedes it, in nats: [sequence][response][token], float32.
   * No gradients; nothing stays on the engine.
   */
  async logps(sequences: readonly SharedPromptSequence[]): Promise<Float32Array[][]> {
    if (sequences.length === 0) return [];
    const batch = packBatch(sequences);
    const context = this.layerContext(batch);
    try {
      const logps = tf.tidy(() => {
        let x = this.embed(batch);
        for (let i = 0; i < this.config.numHiddenLayers; i++) {
          const before = x;
          x = decoderLayerOutput(before, this.parameters.layer(i), context);
          before.dispose();
        }
        return headLogps(this.finalHidden(x, batch), this.headWeight, batch.targetIds).logps;
      });
      const values = (await logps.data()) as Float32Array;
      logps.dispose();
      return splitByResponse(batch, values);
    } finally {
      disposeContext(context);
    }
  }

  /**
   * One forward and one backward pass.
   * @param lossGradient receives the log-probs [sequence][response][token] and returns ∂loss/∂logp in the same
   *   layout; tokens with 0 cost nothing in the head's backward pass. When all are 0 there are no gradients.
   */
  async forwardBackward(
    sequences: readonly SharedPromptSequence[],
    lossGradient: (logps: Float32Array[][]) => readonly (readonly Float32Array[])[],
    policy: ActivationPolicy = 'keep',
  ): Promise<{ logps: Float32Array[][]; gradients: Gradients; seconds: PhaseSeconds }> {
    const batch = packBatch(sequences);
    const context = this.layerContext(batch);
    const pass = new BackwardPass(this, batch, context, policy);
    const clock = [performance.now()];
    try {
      pass.forward();
      clock.push(performance.now());
      const logps = splitByResponse(batch, await pass.head());
      clock.push(performance.now());
      pass.backward(joinByResponse(batch, lossGradient(logps)));
      clock.push(performance.now());
      const [forward, head, backward] = clock.slice(1).map((at, i) => (at - clock[i]!) / 1000);
      return {
        logps,
        gradients: pass.takeGradients(),
        seconds: { forward: forward!, head: head!, backward: backward! },
      };
    } finally {
      pass.dispose();
      disposeContext(context);
    }
  }

  /**
   * What every layer of a batch shares. The caller disposes it: {@link disposeContext}.
   * @param plain attention by groups even where the engine has a fused kernel for it.
   */
  layerContext(batch: PackedBatch, plain = false): LayerContext {
    const { numAttentionHeads: heads, numKeyValueHeads: kvHeads, headDim, rmsNormEps } = this.config;
    return {
      shape: { heads, kvHeads, headDim },
      epsilon: rmsNormEps,
      rotary: rotaryTables(this.frequencies, batch.positions),
      layout: attentionLayout(batch, plain),
    };
  }

  /** Token embeddings of a batch: [N, D]. */
  embed(batch: PackedBatch): tf.Tensor2D {
    return tf.tidy(() => tf.gather(this.parameters.get('embedTokens') as tf.Tensor2D, ids(batch.ids)));
  }

  /** Rows that predict a response token, after the final norm: [N, D] → [M, D]. */
  finalHidden(x: tf.Tensor2D, batch: PackedBatch): tf.Tensor2D {
    return tf.tidy(() => {
      const rows = tf.gather(x, ids(batch.headRows));
      return rmsNorm(rows, this.parameters.get('norm') as tf.Tensor1D, this.config.rmsNormEps);
    });
  }
}

/** The tensors of one training pass, all disposed by {@link BackwardPass.dispose} unless taken. */
class BackwardPass {
  private activations: Activation[] = [];
  private x: tf.Tensor2D | undefined;
  private headRowsInput: tf.Tensor2D | undefined;
  private logSumExp: tf.Tensor1D | undefined;
  private gradients: Gradients = new Map();

  constructor(
    private readonly model: CausalLM,
    private readonly batch: PackedBatch,
    private readonly context: LayerContext,
    private readonly policy: ActivationPolicy,
  ) {}

  forward(): void {
    this.x = this.model.embed(this.batch);
    for (let i = 0; i < this.model.config.numHiddenLayers; i++) {
      const input: tf.Tensor2D = this.x;
      if (this.policy === 'keep') {
        const { y, saved } = scope(() =>
          decoderLayerForward(input, this.model.parameters.layer(i), this.context),
        );
        this.activations.push({ saved });
        this.x = y;
      } else {
        this.activations.push({ input });
        this.x = decoderLayerOutput(input, this.model.parameters.layer(i), this.context);
      }
    }
  }

  /** Log-probs of all targets: [M]. */
  async head(): Promise<Float32Array> {
    const x = this.x!;
    this.headRowsInput = tf.tidy(() => tf.gather(x, ids(this.batch.headRows)));
    const { logps, logSumExp } = scope(() =>
      headLogps(this.normed(this.headRowsInput!), this.model.headWeight, this.batch.targetIds),
    );
    this.logSumExp = logSumExp;
    const values = (await logps.data()) as Float32Array;
    logps.dispose();
    return values;
  }

  backward(coefficients: Float32Array): void {
    let dx = this.headBackward(coefficients);
    this.x!.dispose();
    this.x = undefined;
    if (dx === undefined) return;
    for (let i = this.model.config.numHiddenLayers - 1; i >= 0; i--) {
      const before: tf.Tensor2D = dx;
      dx = this.layerBackward(i, before);
      before.dispose();
    }
    const last = dx;
    const dEmbedding = tf.tidy(() =>
      tf.unsortedSegmentSum(last, ids(this.batch.ids), this.model.config.vocabSize),
    );
    last.dispose();
    this.addGradient('embedTokens', dEmbedding);
  }

  private normed(rows: tf.Tensor2D): tf.Tensor2D {
    return rmsNorm(rows, this.model.parameters.get('norm') as tf.Tensor1D, this.model.config.rmsNormEps);
  }

  private headBackward(coefficients: Float32Array): tf.Tensor2D | undefined {
    const { model, batch } = this;
    const result = scope(() => {
      const hidden = this.normed(this.headRowsInput!);
      const head = headLogpsGradient(
        hidden,
        model.headWeight,
        batch.targetIds,
        this.logSumExp!,
        coefficients,
      );
      if (head === undefined) return null;
      const rows = tf.gather(this.headRowsInput!, ids(head.kept));
      const weight = model.parameters.get('norm') as tf.Tensor1D;
      const norm = rmsNormGradient(rows, weight, model.config.rmsNormEps, head.dHidden);
      const dx = scatterRows(norm.dx, head.kept, batch);
      return { dWeight: head.dWeight, dNorm: norm.dWeight, dx };
    });
    if (result === null) return undefined;
    this.addGradient(model.config.tieWordEmbeddings ? 'embedTokens' : 'lmHead', result.dWeight);
    this.addGradient('norm', result.dNorm);
    return result.dx;
  }

  private layerBackward(index: number, dy: tf.Tensor2D): tf.Tensor2D {
    const activation = this.activations[index]!;
    const parameters = this.model.parameters.layer(index);
    const { dx, gradients } = scope(() => {
      const saved =
        'saved' in activation
          ? activation.saved
          : decoderLayerForward(activation.input, parameters, this.context).saved;
      return decoderLayerBackward(saved, parameters, this.context, dy);
    });
    disposeActivation(activation);
    this.activations.length = index;
    for (const [key, gradient] of Object.entries(gradients)) {
      if (gradient !== undefined) this.addGradient(`layers.${index}.${key}`, gradient);
    }
    return dx;
  }

  private addGradient(name: string, gradient: tf.Tensor): void {
    const before = this.gradients.get(name);
    if (before === undefined) {
      this.gradients.set(name, gradient);
      return;
    }
    this.gradients.set(name, tf.add(before, gradient));
    before.dispose();
    gradient.dispose();
  }

  takeGradients(): Gradients {
    const taken = this.gradients;
    this.gradients = new Map();
    return taken;
  }

  dispose(): void {
    this.activations.forEach(disposeActivation);
    this.activations = [];
    this.x?.dispose();
    this.headRowsInput?.dispose();
    this.logSumExp?.dispose();
    for (const gradient of this.gradients.values()) gradient.dispose();
  }
}

/**
 * Adds the gradients of kept head rows to the packed rows that produced them: [K, D] → [N, D]. A packed row
 * predicts at most one token of each response (the prompt's last row predicts the first of every one), so the
 * sum is one gather a response: the same result in the same order on every engine, unlike a parallel scatter.
 */
function scatterRows(dRows: tf.Tensor2D, kept: Int32Array, batch: PackedBatch): tf.Tensor2D {
  const responseOf = new Int32Array(batch.targetIds.length);
  let responses = 1;
  for (const { response, start, length } of batch.spans) {
    responseOf.fill(response, start, start + length);
    responses = Math.max(responses, response + 1);
  }
  const zeroRow = kept.length;
  const sources = Array.from({ length: responses }, () => new Int32Array(batch.rows).fill(zeroRow));
  kept.forEach((target, i) => {
    sources[responseOf[target]!]![batch.headRows[target]!] = i;
  });
  const padded = tf.concat2d([dRows, tf.zeros([1, dRows.shape[1]])], 0);
  return sources
    .map((source) => tf.gather(padded, ids(source)))
    .reduce((sum, part) => tf.add(sum, part) as tf.Tensor2D);
}

function ids(values: Int32Array): tf.Tensor1D {
  return tf.tensor1d(values, 'int32');
}

/** Disposes what {@link CausalLM.layerContext} made. */
export function disposeContext({ rotary, layout }: LayerContext): void {
  tf.dispose([rotary.cos, rotary.sin]);
  disposeLayout(layout);
}

function disposeActivation(activation: Activation): void {
  if ('input' in activation) {
    activation.input.dispose();
    return;
  }
  const { saved } = activation;
  tf.dispose([saved.x, saved.context, saved.middle, saved.gateUp, ...savedTensors(saved.attention)]);
}
