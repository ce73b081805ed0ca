/** Model directories of random weights, so that a model of any size need not travel. */
import { SeededRandom } from '@selective-dpo/foundation';
import { expectedTensors, parseModelConfig, writeModelDirectory } from '@selective-dpo/model';

/** Of SmolLM2-135M, but for the vocabulary: it has a row for every id of `../synthetic-cache.mjs`. */
export const SHAPE_135M = {
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  head_dim: 64,
  vocab_size: 50_304,
};

/** For a software driver. */
export const SHAPE_QUICK = {
  ...SHAPE_135M,
  ...{ hidden_size: 96, intermediate_size: 256, num_hidden_layers: 2, head_dim: 32 },
  ...{ num_attention_heads: 3, num_key_value_heads: 1 },
};

/**
 * Writes a Llama directory: norms 1, all else uniform with a standard deviation of 0.02.
 * @param tokenizerDirectory whose tokenizer files are copied.
 * @returns number of parameters.
 */
export async function writeRandomModel(directory, shape, tokenizerDirectory) {
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_act: 'silu',
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 100_000,
    tie_word_embeddings: true,
    torch_dtype: 'float32',
    ...shape,
  };
  const random = new SeededRandom(135);
  const uniform = () => (random.next() - 0.5) * 0.02 * Math.sqrt(12);
  let parameters = 0;
  const tensors = [...expectedTensors(parseModelConfig(config, directory))].map(([name, lengths]) => {
    const count = lengths.reduce((product, length) => product * length, 1);
    parameters += count;
    const data = () => new Float32Array(count).map(lengths.length === 1 ? () => 1 : uniform);
    return { name, shape: lengths, data };
  });
  const modelCard = 'Random weights, for measurements.\n';
  await writeModelDirectory(directory, { config, tensors, sourceDir: tokenizerDirectory, modelCard });
  return parameters;
}
