/**
 * The parameters of a model on the engine. Matrices keep Hugging Face's [out, in] orientation; projections
 * that read the same input (q, k and v; gate and up) stand in one matrix, so that each is one matmul. Their
 * Hugging Face parts are row ranges of it, so loading joins and exporting cuts, both without arithmetic.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { ModelConfig, TensorSource } from '../files/index.js';

/** One layer's parameters. Biases are undefined where the architecture has none. */
export interface LayerParameters {
  /** [D] */
  inputNorm: tf.Tensor1D;
  /** [(heads + 2·kvHeads)·headDim, D] */
  qkv: tf.Tensor2D;
  qkvBias: tf.Tensor1D | undefined;
  /** [D, heads·headDim] */
  output: tf.Tensor2D;
  outputBias: tf.Tensor1D | undefined;
  /** [D] */
  postAttentionNorm: tf.Tensor1D;
  /** [2·intermediate, D] */
  gateUp: tf.Tensor2D;
  gateUpBias: tf.Tensor1D | undefined;
  /** [D, intermediate] */
  down: tf.Tensor2D;
  downBias: tf.Tensor1D | undefined;
}

/** A Hugging Face tensor as a range of rows of a parameter. */
export interface ParameterPart {
  /** E.g. `model.layers.0.self_attn.q_proj.weight`. */
  name: string;
  /** Extent along the first axis. */
  rows: number;
}

export interface ParameterSpec {
  /** E.g. `layers.0.qkv`, `embedTokens`, `norm`, `lmHead`. */
  name: string;
  shape: number[];
  parts: ParameterPart[];
  /** Whether decoupled weight decay applies: matrices yes, biases and norms no (transformers' rule). */
  decays: boolean;
}

/** Every parameter of the architecture, in the order of the forward pass. */
export function parameterSpecs(config: ModelConfig): ParameterSpec[] {
  const specs: ParameterSpec[] = [];
  const add = (name: string, parts: [string, number][], columns?: number): void => {
    const rows = parts.reduce((sum, [, r]) => sum + r, 0);
    specs.push({
      name,
      shape: columns === undefined ? [rows] : [rows, columns],
      parts: parts.map(([part, r]) => ({ name: part, rows: r })),
      decays: columns !== undefined,
    });
  };
  const { hiddenSize, vocabSize } = config;
  add('embedTokens', [['model.embed_tokens.weight', vocabSize]], hiddenSize);
  for (let i = 0; i < config.numHiddenLayers; i++) addLayer(config, i, add);
  add('norm', [['model.norm.weight', hiddenSize]]);
  if (!config.tieWordEmbeddings) add('lmHead', [['lm_head.weight', vocabSize]], hiddenSize);
  return specs;
}

function addLayer(
  config: ModelConfig,
  index: number,
  add: (name: string, parts: [string, number][], columns?: number) => void,
): void {
  const { hiddenSize: d, intermediateSize: f, headDim } = config;
  const own = `layers.${index}`;
  const hf = `model.layers.${index}`;
  const q = config.numAttentionHeads * headDim;
  const kv = config.numKeyValueHeads * headDim;
  const joint = (kind: string): [string, number][] => [
    [`${hf}.self_attn.q_proj.${kind}`, q],
    [`${hf}.self_attn.k_proj.${kind}`, kv],
    [`${hf}.self_attn.v_proj.${kind}`, kv],
  ];
  const gated = (kind: string): [string, number][] => [
    [`${hf}.mlp.gate_proj.${kind}`, f],
    [`${hf}.mlp.up_proj.${kind}`, f],
  ];
  add(`${own}.inputNorm`, [[`${hf}.input_layernorm.weight`, d]]);
  add(`${own}.qkv`, joint('weight'), d);
  if (config.attentionBias) add(`${own}.qkvBias`, joint('bias'));
  add(`${own}.output`, [[`${hf}.self_attn.o_proj.weight`, d]], q);
  if (config.attentionOutputBias) add(`${own}.outputBias`, [[`${hf}.self_attn.o_proj.bias`, d]]);
  add(`${own}.postAttentionNorm`, [[`${hf}.post_attention_layernorm.weight`, d]]);
  add(`${own}.gateUp`, gated('weight'), d);
  if (config.mlpBias) add(`${own}.gateUpBias`, gated('bias'));
  add(`${own}.down`, [[`${hf}.mlp.down_proj.weight`, d]], f);
  if (config.mlpBias) add(`${own}.downBias`, [[`${hf}.mlp.down_proj.bias`, d]]);
}

/** The parameters of one model. Owns its tensors: whoever replaces one disposes the old one through it. */
export class ParameterSet {
  private readonly tensors = new Map<string, tf.Tensor>();

  constructor(readonly specs: readonly ParameterSpec[]) {}

  /** Number of scalars. */
  get size(): number {
    return this.specs.reduce((sum, spec) => sum + spec.shape.reduce((a, b) => a * b, 1), 0);
  }

  get(name: string): tf.Tensor {
    const tensor = this.tensors.get(name);
    if (tensor === undefined) throw new RangeError(`no parameter ${name}`);
    return tensor;
  }

  /** Takes over `tensor` as the value of `name` and disposes the one before. */
  assign(name: string, tensor: tf.Tensor): void {
    tf.keep(tensor);
    this.tensors.get(name)?.dispose();
    this.tensors.set(name, tensor);
  }

  /**
   * Replaces the value of `name` by what `make` gives. The one before is disposed first, so that a kernel that holds the same
   * memory can write it in place.
   */
  replace(name: string, make: () => tf.Tensor): void {
    this.get(name).dispose();
    this.tensors.set(name, tf.keep(make()));
  }

  /** The parameters of layer `index`. */
  layer(index: number): LayerParameters {
    const find = (key: string) => this.tensors.get(`layers.${index}.${key}`);
    return {
      inputNorm: this.get(`layers.${index}.inputNorm`) as tf.Tensor1D,
      qkv: this.get(`layers.${index}.qkv`) as tf.Tensor2D,
      qkvBias: find('qkvBias') as tf.Tensor1D | undefined,
      output: this.get(`layers.${index}.output`) as tf.Tensor2D,
      outputBias: find('outputBias') as tf.Tensor1D | undefined,
      postAttentionNorm: this.get(`layers.${index}.postAttentionNorm`) as tf.Tensor1D,
      gateUp: this.get(`layers.${index}.gateUp`) as tf.Tensor2D,
      gateUpBias: find('gateUpBias') as tf.Tensor1D | undefined,
      down: this.get(`layers.${index}.down`) as tf.Tensor2D,
      downBias: find('downBias') as tf.Tensor1D | undefined,
    };
  }

  dispose(): void {
    for (const tensor of this.tensors.values()) tensor.dispose();
    this.tensors.clear();
  }
}

/**
 * Fills a parameter set from Hugging Face tensors, one parameter at a time: at most one parameter's values
 * are in JavaScript memory besides the engine's copy.
 * @param read gives the float32 values of a Hugging Face tensor, row-major.
 */
export async function loadParameters(
  specs: readonly ParameterSpec[],
  read: (hfName: string) => Promise<Float32Array>,
): Promise<ParameterSet> {
  const set = new ParameterSet(specs);
  try {
    for (const spec of specs) {
      const columns = spec.shape[1] ?? 1;
      const values = new Float32Array(spec.shape[0]! * columns);
      let row = 0;
      for (const part of spec.parts) {
        values.set(await read(part.name), row * columns);
        row += part.rows;
      }
      set.assign(spec.name, tf.tensor(values, spec.shape));
      giveToEngine(set.get(spec.name));
    }
  } catch (error) {
    set.dispose();
    throw error;
  }
  return set;
}

/** An engine may leave a tensor's values in JavaScript until a kernel asks for them: all weights would be there at once. */
function giveToEngine(tensor: tf.Tensor): void {
  tf.slice(
    tensor,
    tensor.shape.map(() => 0),
    tensor.shape.map(() => 1),
  ).dispose();
}

/** Hugging Face tensors of a parameter set, in the order of the forward pass: the inverse of {@link loadParameters}. */
export function exportParameters(set: ParameterSet): TensorSource[] {
  return set.specs.flatMap((spec) => {
    const columns = spec.shape[1];
    let begin = 0;
    return spec.parts.map((part) => {
      const first = begin * (columns ?? 1);
      const count = part.rows * (columns ?? 1);
      begin += part.rows;
      return {
        name: part.name,
        shape: columns === undefined ? [part.rows] : [part.rows, columns],
        data: async () => ((await set.get(spec.name).data()) as Float32Array).slice(first, first + count),
      };
    });
  });
}
