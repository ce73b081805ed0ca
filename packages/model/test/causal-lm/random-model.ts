import { SeededRandom } from '@selective-dpo/foundation';
import {
  CausalLM,
  loadParameters,
  parameterSpecs,
  type SharedPromptSequence,
} from '../../src/causal-lm/index.js';
import { parseModelConfig, type JsonObject } from '../../src/files/index.js';

/** A small model with random weights, large enough to have every part: grouped queries, biases, an odd width. */
export async function randomModel(change: JsonObject = {}, seed = 1): Promise<CausalLM> {
  const config = parseModelConfig(
    {
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      hidden_act: 'silu',
      hidden_size: 24,
      intermediate_size: 40,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      head_dim: 6,
      vocab_size: 37,
      max_position_embeddings: 128,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: true,
      ...change,
    },
    'config.json',
  );
  const random = new SeededRandom(seed);
  const specs = parameterSpecs(config);
  const sizes = new Map(
    specs.flatMap((spec) => spec.parts.map((part) => [part.name, part.rows * (spec.shape[1] ?? 1)] as const)),
  );
  const parameters = await loadParameters(specs, async (name) =>
    Float32Array.from({ length: sizes.get(name)! }, () => {
      const value = random.next() + random.next() - 1;
      return name.includes('norm') ? 1 + 0.3 * value : 0.5 * value;
    }),
  );
  return new CausalLM(config, parameters);
}

/** Sequences of the given lengths: prompt, then responses. */
export function randomSequences(lengths: number[][], vocabSize: number, seed = 2): SharedPromptSequence[] {
  const random = new SeededRandom(seed);
  const draw = (n: number) => Int32Array.from({ length: n }, () => random.below(vocabSize));
  return lengths.map(([prompt, ...responses]) => ({ prompt: draw(prompt!), responses: responses.map(draw) }));
}
