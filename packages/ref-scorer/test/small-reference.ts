/** A reference with random weights and a character tokenizer, written as a Hugging Face directory; rows to score. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@selective-dpo/foundation';
import { parameterSpecs, parseModelConfig, writeSafetensors } from '@selective-dpo/model';

const LETTERS = [...' abcdefghijklmnopqrstuvwxyz.:\n'];
const SPECIAL = ['<s>', '</s>'];

export const freshFolder = () => mkdtemp(join(tmpdir(), 'sdpo-scorer-'));

export interface ReferenceOptions {
  seed?: number;
  /** Text of a Jinja template. */
  chatTemplate?: string;
  /** Rows of the embedding; the tokenizer gives 31 ids. */
  vocabSize?: number;
}

/** Writes the model directory; returns its path. */
export async function writeReference({ seed = 1, chatTemplate, vocabSize }: ReferenceOptions = {}) {
  const directory = await freshFolder();
  const tokens = [...SPECIAL, ...LETTERS];
  const raw = {
    ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu', hidden_size: 16 },
    ...{ intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1 },
    ...{ vocab_size: vocabSize ?? tokens.length, max_position_embeddings: 128, rms_norm_eps: 1e-5 },
    ...{ tie_word_embeddings: true, bos_token_id: 0, eos_token_id: 1 },
  };
  const random = new SeededRandom(seed);
  const tensors = parameterSpecs(parseModelConfig(raw, 'config.json')).flatMap((spec) =>
    spec.parts.map((part) => {
      const shape = spec.shape.length === 1 ? [part.rows] : [part.rows, spec.shape[1]!];
      const size = shape.reduce((a, b) => a * b, 1);
      const data = Float32Array.from(
        { length: size },
        () => random.next() - 0.5 + (shape.length === 1 ? 1 : 0),
      );
      return { name: part.name, shape, data: () => data };
    }),
  );
  await writeSafetensors(join(directory, 'model.safetensors'), tensors);
  const json = (name: string, value: object) => writeFile(join(directory, name), JSON.stringify(value));
  await json('config.json', raw);
  await json('tokenizer.json', tokenizerJson(tokens));
  await json('tokenizer_config.json', {
    bos_token: '<s>',
    eos_token: '</s>',
    ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
  });
  return directory;
}

function tokenizerJson(tokens: string[]): object {
  return {
    version: '1.0',
    added_tokens: SPECIAL.map((content, id) => ({
      ...{ id, content, special: true, normalized: false, single_word: false, lstrip: false, rstrip: false },
    })),
    normalizer: null,
    pre_tokenizer: { type: 'Split', pattern: { Regex: '[\\s\\S]' }, behavior: 'Isolated', invert: false },
    post_processor: null,
    decoder: { type: 'Fuse' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [],
      unk_token: null,
    },
  };
}

export interface PreferenceText {
  prompt: string;
  chosen: string;
  rejected: string;
}

/** Rows of varied lengths, the same for the same seed. */
export function sampleRows(count: number, seed = 3): PreferenceText[] {
  const random = new SeededRandom(seed);
  const text = (most: number) =>
    Array.from({ length: 1 + random.below(most) }, () => LETTERS[1 + random.below(26)]!).join('');
  return Array.from({ length: count }, (_, i) => ({
    prompt: text(20),
    chosen: `${text(30)}a${i % 2 === 0 ? '.' : ''}`,
    rejected: `${text(30)}b`,
  }));
}

/** Writes rows as JSONL; returns the file's path. */
export async function writeRows(rows: readonly unknown[]): Promise<string> {
  const file = join(await freshFolder(), 'rows.jsonl');
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
}
