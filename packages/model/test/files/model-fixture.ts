/** A tiny model directory made by hand, and files made byte by byte. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError, InputErrors, SeededRandom } from '@selective-dpo/foundation';
import {
  expectedTensors,
  parseModelConfig,
  type JsonObject,
  type TensorSource,
} from '../../src/files/index.js';

export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'sdpo-files-'));

/** The smallest configuration that says everything it has to. */
export const tinyConfig: JsonObject = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  vocab_size: 10,
  max_position_embeddings: 32,
  tie_word_embeddings: true,
};

/** Seeded random weights for a configuration, in the order of the model. */
export function randomTensors(config: JsonObject, seed = 1): TensorSource[] {
  const random = new SeededRandom(seed);
  return [...expectedTensors(parseModelConfig(config, 'config.json'))].map(([name, shape]) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.next() - 0.5);
    return { name, shape, data: () => values };
  });
}

/** Bytes of a safetensors file with this header text and this many data bytes (0, 1, 2, …). */
export function rawSafetensors(header: string | Uint8Array, dataBytes: number): Buffer {
  const json = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.from(Array.from({ length: dataBytes }, (_, i) => i & 0xff))]);
}

export async function writeTemporary(
  bytes: Uint8Array | string,
  name = 'model.safetensors',
): Promise<string> {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, bytes);
  return path;
}

/** The problems of a call that must fail with typed errors; anything else fails the test. */
export async function problemsOf(call: () => unknown): Promise<readonly InputError[]> {
  try {
    await call();
  } catch (error) {
    if (error instanceof InputErrors) return error.problems;
    if (error instanceof InputError) return [error];
    throw error;
  }
  throw new Error('the call was expected to fail');
}
