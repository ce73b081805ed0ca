/** One training pass through a model: forward, log-probs of the head, and backward from what a loss makes of them. */
import * as tf from '@tensorflow/tfjs-core';
import { inPlaceSums } from '../engine/in-place-sums.js';
import type { CausalLM } from './causal-lm.js';
import {
  decoderLayerActivations,
  decoderLayerBackward,
  decoderLayerForward,
  decoderLayerOutput,
  type KeptRows,
  type LayerContext,
  type SavedLayer,
} from './decoder-layer.js';
import { headLogps, headLogpsGradient } from './head-logps.js';
import type { PackedBatch } from './packed-batch.js';
import { rmsNormGradient } from './rms-norm.js';
import { readAndDispose, scope } from './scope.js';
import { savedTensors } from './shared-prompt-attention.js';

/** What a layer keeps for its backward pass: everything, or its input alone (the rest is computed anew). */
export type ActivationPolicy = 'keep' | 'recompute';

/** How a training pass spends memory; no value depends on it beyond float32 rounding. */
export interface PassOptions {
  /** Default `keep`. */
  activations?: ActivationPolicy | undefined;
  /** Rows whose logits are held at one time; default {@link headChunkRows}. */
  logitRows?: number | undefined;
  /** Gradients of earlier passes, to which this pass adds its own. Disposed if the pass fails. */
  gradients?: Gradients | undefined;
}

/** Gradients by parameter name. The receiver owns the tensors. */
export type Gradients = Map<string, tf.Tensor>;

/** Disposes all gradients and empties the map. */
export function disposeGradients(gradients: Gradients): void {
  for (const gradient of gradients.values()) gradient.dispose();
  gradients.clear();
}

type Activation = { input: tf.Tensor2D } | { saved: SavedLayer };

/**
 * The tensors of one training pass, all disposed by {@link BackwardPass.dispose} but the gradients. Any kernel may fail, for
 * want of memory: what is not yet in a field of this class lies in a scope, which ends with it.
 */
export class BackwardPass {
  private activations: Activation[] = [];
  /** [N, D] the last output so far; after the last layer [M, D], the rows that predict a response token. */
  private x: tf.Tensor2D | undefined;
  private readonly headRows: tf.Tensor1D;
  private logSumExp: tf.Tensor1D | undefined;
  readonly gradients: Gradients;

  constructor(
    private readonly model: CausalLM,
    private readonly batch: PackedBatch,
    private readonly context: LayerContext,
    private readonly options: PassOptions,
  ) {
    this.gradients = options.gradients ?? new Map();
    this.headRows = ids(batch.headRows);
  }

  forward(): void {
    this.x = this.model.embed(this.batch);
    for (let i = 0; i < this.model.config.numHiddenLayers; i++) {
      const input: tf.Tensor2D = this.x;
      const parameters = this.model.parameters.layer(i);
      if ((this.options.activations ?? 'keep') === 'keep') {
        const { y, saved } = scope(() =>
          decoderLayerForward(input, parameters, this.context, this.rowsOf(i)),
        );
        this.activations.push({ saved });
        this.x = y;
      } else {
        this.activations.push({ input });
        this.x = decoderLayerOutput(input, parameters, this.context, this.rowsOf(i));
      }
    }
  }

  /** Log-probs of all targets, [M], and behind them those of the candidates. */
  async head(): Promise<Float32Array> {
    const x = this.x!;
    const { logps, logSumExp } = scope(() =>
      headLogps(
        this.model.finalNorm(x),
        this.model.headWeight,
        this.batch.targetIds,
        this.options.logitRows,
        this.batch.candidates,
      ),
    );
    this.logSumExp = logSumExp;
    return readAndDispose(logps);
  }

  backward(coefficients: Float32Array): void {
    tf.tidy(() => {
      const head = this.headBackward(coefficients);
      this.x!.dispose();
      this.x = undefined;
      if (head === undefined) return;
      let dx = head.dx;
      for (let i = this.model.config.numHiddenLayers - 1; i >= 0; i--) {
        const before: tf.Tensor2D = dx;
        dx = this.layerBackward(i, before, this.model.isLast(i) ? head : undefined);
        before.dispose();
      }
      this.addEmbeddingGradient(dx);
    });
  }

  /** dx: [N, D] the gradient by the embedded rows. */
  private addEmbeddingGradient(dx: tf.Tensor2D): void {
    const places = ids(this.batch.ids);
    const before = this.gradients.get('embedTokens');
    const sum =
      before === undefined
        ? tf.unsortedSegmentSum(dx, places, this.model.config.vocabSize)
        : inPlaceSums().addRows(before, places, dx);
    this.setGradient('embedTokens', sum);
  }

  private rowsOf(layer: number): tf.Tensor1D | undefined {
    return this.model.isLast(layer) ? this.headRows : undefined;
  }

  /** dx: [K, D] the gradient by the rows of the last layer's output that have one. */
  private headBackward(coefficients: Float32Array): KeptTargets | undefined {
    const { model, batch } = this;
    const result = scope(() => {
      const hidden = model.finalNorm(this.x!);
      const head = headLogpsGradient(
        hidden,
        model.headWeight,
        batch.targetIds,
        this.logSumExp!,
        coefficients,
        this.options.logitRows,
        batch.candidates,
      );
      if (head === undefined) return null;
      const rows = tf.gather(this.x!, ids(head.rows));
      const weight = model.parameters.get('norm') as tf.Tensor1D;
      const norm = rmsNormGradient(rows, weight, model.config.rmsNormEps, head.dHidden);
      return { dWeight: head.dWeight, dNorm: norm.dWeight, dx: norm.dx, kept: head.kept, targets: head.rows };
    });
    if (result === null) return undefined;
    this.addGradient(model.config.tieWordEmbeddings ? 'embedTokens' : 'lmHead', result.dWeight);
    this.addGradient('norm', result.dNorm);
    return result;
  }

  private layerBackward(index: number, dy: tf.Tensor2D, head: KeptTargets | undefined): tf.Tensor2D {
    const activation = this.activations[index]!;
    const parameters = this.model.parameters.layer(index);
    const { dx, gradients } = scope(() => {
      const saved =
        'saved' in activation
          ? activation.saved
          : decoderLayerActivations(activation.input, parameters, this.context, this.rowsOf(index));
      const kept = head === undefined ? undefined : keptRows(head, this.batch);
      return decoderLayerBackward(saved, parameters, this.context, dy, kept);
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
      this.setGradient(name, gradient);
      return;
    }
    this.setGradient(name, inPlaceSums().add(before, gradient));
    gradient.dispose();
  }

  /** Gradients outlive the scope they are made in. */
  private setGradient(name: string, gradient: tf.Tensor): void {
    this.gradients.set(name, tf.keep(gradient));
  }

  dispose(): void {
    this.activations.forEach(disposeActivation);
    this.activations = [];
    this.x?.dispose();
    this.headRows.dispose();
    this.logSumExp?.dispose();
  }
}

/** Targets with a gradient: the first `kept` of `targets`, which are places in the batch's list of targets. */
interface KeptTargets {
  dx: tf.Tensor2D;
  kept: number;
  targets: Int32Array;
}

/** Run inside tf.tidy. */
function keptRows({ kept, targets }: KeptTargets, batch: PackedBatch): KeptRows {
  const sources = scatterSources(targets.subarray(0, kept), targets.length, batch).map(ids);
  return {
    places: ids(targets),
    rows: ids(targets.map((target) => batch.headRows[target]!)),
    scatter: (values) => {
      const padded = tf.concat2d([values, tf.zeros([1, values.shape[1]])], 0);
      return sources
        .map((source) => tf.gather(padded, source))
        .reduce((sum, part) => tf.add(sum, part) as tf.Tensor2D);
    },
  };
}

/**
 * For every packed row the place of its gradient among the kept ones, a list a response; `zeroRow` where it has none. A packed
 * row predicts at most one token of each response (the prompt's last row predicts the first of every one), so the
 * sum is one gather a response: the same result in the same order on every engine, unlike a parallel scatter.
 */
function scatterSources(kept: Int32Array, zeroRow: number, batch: PackedBatch): Int32Array[] {
  const responseOf = new Int32Array(batch.targetIds.length);
  let responses = 1;
  for (const { response, start, length } of batch.spans) {
    responseOf.fill(response, start, start + length);
    responses = Math.max(responses, response + 1);
  }
  const sources = Array.from({ length: responses }, () => new Int32Array(batch.rows).fill(zeroRow));
  kept.forEach((target, i) => {
    sources[responseOf[target]!]![batch.headRows[target]!] = i;
  });
  return sources;
}

function ids(values: Int32Array): tf.Tensor1D {
  return tf.tensor1d(values, 'int32');
}

function disposeActivation(activation: Activation): void {
  if ('input' in activation) {
    activation.input.dispose();
    return;
  }
  const { saved } = activation;
  tf.dispose([saved.x, saved.context, saved.middle, saved.gateUp, ...savedTensors(saved.attention)]);
}
