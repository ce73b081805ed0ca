/** A policy with random weights and a character tokenizer, written as a Hugging Face directory. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SeededRandom } from '@selective-dpo/foundation';
import { parameterSpecs, parseModelConfig, writeSafetensors } from '@selective-dpo/model';
import { freshFolder } from './fresh-folder.js';

const SPECIAL = ['<s>', '</s>'];
const TOKENS = [...SPECIAL, ...' abcdefghijklmnopqrstuvwxyz.:\n'];

export const VOCABULARY = TOKENS.length;

const CONFIG = {
  ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu', hidden_size: 16 },
  ...{ intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1 },
  ...{ vocab_size: VOCABULARY, max_position_embeddings: 128, rms_norm_eps: 1e-5 },
  ...{ tie_word_embeddings: true, bos_token_id: 0, eos_token_id: 1 },
};

/** Writes the directory and returns its path; equal seeds give equal bytes. */
export async function writePolicy(seed = 1): Promise<string> {
  const directory = await freshFolder();
  const random = new SeededRandom(seed);
  const tensors = parameterSpecs(parseModelConfig(CONFIG, 'config.json')).flatMap((spec) =>
    spec.parts.map(({ name, rows }) => {
      const shape = spec.shape.length === 1 ? [rows] : [rows, spec.shape[1]!];
      const middle = shape.length === 1 ? 1 : 0;
      const size = shape.reduce((a, b) => a * b, 1);
      const data = Float32Array.from({ length: size }, () => middle + random.next() - 0.5);
      return { name, shape, data: () => data };
    }),
  );
  await writeSafetensors(join(directory, 'model.safetensors'), tensors);
  const json = (name: string, value: object) => writeFile(join(directory, name), JSON.stringify(value));
  await json('config.json', CONFIG);
  await json('tokenizer.json', tokenizerJson());
  await json('tokenizer_config.json', { bos_token: '<s>', eos_token: '</s>' });
  return directory;
}

function tokenizerJson(): object {
  const plain = { special: true, normalized: false, single_word: false, lstrip: false, rstrip: false };
  return {
    version: '1.0',
    added_tokens: SPECIAL.map((content, id) => ({ id, content, ...plain })),
    normalizer: null,
    pre_tokenizer: { type: 'Split', pattern: { Regex: '[\\s\\S]' }, behavior: 'Isolated', invert: false },
    post_processor: null,
    decoder: { type: 'Fuse' },
    model: {
      ...{ type: 'BPE', merges: [], unk_token: null },
      vocab: Object.fromEntries(TOKENS.map((token, id) => [token, id])),
    },
  };
}
