/** Which tensors a model of a given configuration consists of, under Hugging Face's names, and whether they are there. */
import { InputError, quoteValue } from '@selective-dpo/foundation';
import type { ModelConfig } from './model-config.js';
import { throwProblems } from './problem-list.js';
import { READABLE_DTYPES } from './safetensors-reader.js';
import type { Weights } from './weights.js';

/** Elements compared at once when a tied head is stored beside the embedding. */
const COMPARE_ELEMENTS = 1 << 20;

export const EMBEDDING = 'model.embed_tokens.weight';
export const LM_HEAD = 'lm_head.weight';

/**
 * Names and shapes of all tensors, in the order of the model. Projections are [out, in], as torch stores them.
 */
export function expectedTensors(config: ModelConfig): Map<string, number[]> {
  const { hiddenSize: hidden, intermediateSize: inner, vocabSize, headDim } = config;
  const queries = config.numAttentionHeads * headDim;
  const keys = config.numKeyValueHeads * headDim;
  const tensors = new Map<string, number[]>([[EMBEDDING, [vocabSize, hidden]]]);
  const linear = (name: string, out: number, into: number, bias: boolean): void => {
    tensors.set(`${name}.weight`, [out, into]);
    if (bias) tensors.set(`${name}.bias`, [out]);
  };
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const prefix = `model.layers.${layer}`;
    tensors.set(`${prefix}.input_layernorm.weight`, [hidden]);
    linear(`${prefix}.self_attn.q_proj`, queries, hidden, config.attentionBias);
    linear(`${prefix}.self_attn.k_proj`, keys, hidden, config.attentionBias);
    linear(`${prefix}.self_attn.v_proj`, keys, hidden, config.attentionBias);
    linear(`${prefix}.self_attn.o_proj`, hidden, queries, config.attentionOutputBias);
    tensors.set(`${prefix}.post_attention_layernorm.weight`, [hidden]);
    linear(`${prefix}.mlp.gate_proj`, inner, hidden, config.mlpBias);
    linear(`${prefix}.mlp.up_proj`, inner, hidden, config.mlpBias);
    linear(`${prefix}.mlp.down_proj`, hidden, inner, config.mlpBias);
  }
  tensors.set('model.norm.weight', [hidden]);
  if (!config.tieWordEmbeddings) tensors.set(LM_HEAD, [vocabSize, hidden]);
  return tensors;
}

/** What {@link checkTensors} found that does no harm. */
export interface CheckedTensors {
  /** Tensors in the files that the model does not need: stored rotary frequencies, a stored copy of a tied embedding. */
  ignored: string[];
}

/**
 * Compares the weights with what the configuration needs.
 * @throws InputErrors of `tensor-missing`, `tensor-unexpected`, `tensor-shape`, `tensor-dtype` and `tensor-tied` (a tied
 *   head is stored and differs from the embedding): everything at once.
 */
export async function checkTensors(weights: Weights, config: ModelConfig): Promise<CheckedTensors> {
  const expected = expectedTensors(config);
  const problems: InputError[] = [];
  for (const [name, shape] of expected) {
    if (weights.has(name)) problems.push(...checkTensor(weights, name, shape));
    else {
      problems.push(
        new InputError('tensor-missing', 'a tensor of the model is missing', {
          file: weights.directory,
          field: name,
          expected: quoteValue(shape),
          hint: 'check that config.json and the weights belong to one model',
        }),
      );
    }
  }
  const ignored: string[] = [];
  for (const name of weights.names()) {
    if (expected.has(name)) continue;
    if (isHarmless(name, config)) ignored.push(name);
    else {
      problems.push(
        new InputError('tensor-unexpected', 'the weights hold a tensor that the model has no place for', {
          file: weights.pathOf(name),
          field: name,
          found: quoteValue(weights.info(name).shape),
          hint: 'merge adapters into the model first, or use a supported architecture',
        }),
      );
    }
  }
  if (problems.length === 0 && ignored.includes(LM_HEAD)) problems.push(...(await checkTiedHead(weights)));
  throwProblems(problems);
  return { ignored };
}

function checkTensor(weights: Weights, name: string, shape: readonly number[]): InputError[] {
  const info = weights.info(name);
  const details = { file: weights.pathOf(name), field: name };
  const problems: InputError[] = [];
  if (quoteShape(info.shape) !== quoteShape(shape)) {
    problems.push(
      new InputError('tensor-shape', 'a tensor does not have the shape that the configuration asks for', {
        ...details,
        found: quoteShape(info.shape),
        expected: quoteShape(shape),
        hint: 'check that config.json and the weights belong to one model',
      }),
    );
  }
  if (!READABLE_DTYPES.has(info.dtype)) {
    problems.push(
      new InputError('tensor-dtype', 'this dtype cannot be used as a weight here', {
        ...details,
        found: info.dtype,
        expected: [...READABLE_DTYPES].join(', '),
        hint: 'use an unquantised version of the model',
      }),
    );
  }
  return problems;
}

function quoteShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

function isHarmless(name: string, config: ModelConfig): boolean {
  return /(^|\.)rotary_emb\.inv_freq$/.test(name) || (config.tieWordEmbeddings && name === LM_HEAD);
}

/** A tied head that was stored as well must be the embedding: programs differ in which of the two they take. */
async function checkTiedHead(weights: Weights): Promise<InputError[]> {
  const shape = weights.info(EMBEDDING).shape;
  const problems = checkTensor(weights, LM_HEAD, shape);
  const count = shape.reduce((product, n) => product * n, 1);
  for (let start = 0; start < count && problems.length === 0; start += COMPARE_ELEMENTS) {
    const stop = Math.min(start + COMPARE_ELEMENTS, count);
    const head = await weights.read(LM_HEAD, start, stop);
    const embedding = await weights.read(EMBEDDING, start, stop);
    const at = head.findIndex((value, i) => !Object.is(value, embedding[i]));
    if (at < 0) continue;
    problems.push(
      new InputError('tensor-tied', 'the head is said to be the embedding, but another one is stored', {
        file: weights.pathOf(LM_HEAD),
        field: LM_HEAD,
        found: `${head[at]} at element ${start + at}`,
        expected: String(embedding[at]),
        hint: 'set tie_word_embeddings to false in config.json if the stored head is meant',
      }),
    );
  }
  return problems;
}
