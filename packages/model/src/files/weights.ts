/** The weights of a Hugging Face model directory: one safetensors file, or several with an index. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { explainSystemError, InputError, quoteValue, resolveInside } from '@selective-dpo/foundation';
import { isJsonObject, readJsonFile, type JsonValue } from './json-text.js';
import { throwProblems } from './problem-list.js';
import type { TensorInfo } from './safetensors-header.js';
import { openSafetensors, type SafetensorsFile } from './safetensors-reader.js';

export const WEIGHTS_FILE = 'model.safetensors';
export const WEIGHTS_INDEX_FILE = 'model.safetensors.index.json';

/** An index names each tensor once: 64 MiB is room for more than 500,000 of them. */
const MAX_INDEX_BYTES = 64 << 20;

/** Weights of a model, over however many files. Call {@link close} when done. */
export class Weights {
  private readonly fileOf = new Map<string, SafetensorsFile>();

  /** @param files in the order of their names. */
  constructor(
    readonly directory: string,
    private readonly files: readonly SafetensorsFile[],
  ) {
    for (const file of files) for (const name of file.tensors.keys()) this.fileOf.set(name, file);
  }

  /** Names in the order of the files and of the bytes in them. */
  names(): string[] {
    return [...this.fileOf.keys()];
  }

  has(name: string): boolean {
    return this.fileOf.has(name);
  }

  /** @throws InputError `tensor-missing`. */
  info(name: string): TensorInfo {
    return this.holder(name).info(name);
  }

  /** Path of the file that holds a tensor. @throws InputError `tensor-missing`. */
  pathOf(name: string): string {
    return this.holder(name).path;
  }

  /** Values as float32, see {@link SafetensorsFile.read}. */
  read(name: string, start = 0, stop?: number): Promise<Float32Array> {
    return this.holder(name).read(name, start, stop);
  }

  /**
   * SHA-256 over the files' bytes, one after another in the order of their names: of a single file it is the file's own
   * digest. The index adds nothing to it, since it has been checked to say what the files say. Streams; reads
   * everything once.
   */
  async digest(): Promise<string> {
    const hash = createHash('sha256');
    for (const { path } of this.files) {
      try {
        for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) {
          hash.update(piece as Buffer);
        }
      } catch (error) {
        throw explainSystemError(error, path);
      }
    }
    return hash.digest('hex');
  }

  async close(): Promise<void> {
    await Promise.all(this.files.map((file) => file.close()));
  }

  private holder(name: string): SafetensorsFile {
    const file = this.fileOf.get(name);
    if (file !== undefined) return file;
    throw new InputError('tensor-missing', 'the model has no tensor of this name', {
      file: this.directory,
      field: name,
    });
  }
}

/**
 * Opens the weights of a model directory: `model.safetensors`, or else `model.safetensors.index.json` and the files it
 * names (inside the folder only), whose tensors must be exactly those of the index.
 * @throws InputError `weights-missing`, `weights-format` (no safetensors file), `weights-index`, `path-outside-folder`
 *   and those of `openSafetensors`; InputErrors when index and files disagree.
 */
export async function openWeights(directory: string): Promise<Weights> {
  let entries: Set<string>;
  try {
    entries = new Set(await readdir(directory));
  } catch (error) {
    throw explainSystemError(error, directory);
  }
  if (entries.has(WEIGHTS_FILE)) {
    return new Weights(directory, [await openSafetensors(join(directory, WEIGHTS_FILE))]);
  }
  if (entries.has(WEIGHTS_INDEX_FILE)) return openSharded(directory);
  throw missingWeights(directory, [...entries]);
}

async function openSharded(directory: string): Promise<Weights> {
  const index = join(directory, WEIGHTS_INDEX_FILE);
  const weightMap = await readWeightIndex(index);
  const names = [...new Set(weightMap.values())].sort();
  const paths = names.map((name) => resolveInside(directory, name, index));
  const files: SafetensorsFile[] = [];
  try {
    for (const path of paths) files.push(await openSafetensors(path));
    checkIndex(weightMap, new Map(names.map((name, i) => [name, files[i]!])), index);
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    throw error;
  }
  return new Weights(directory, files);
}

/**
 * Which file an index names for each tensor. The names are as they stand there: not checked.
 * @throws InputError `weights-index` for another structure, and those of reading JSON.
 */
export async function readWeightIndex(index: string): Promise<Map<string, string>> {
  const root: JsonValue = await readJsonFile(index, MAX_INDEX_BYTES);
  const map = isJsonObject(root) && Object.hasOwn(root, 'weight_map') ? root['weight_map'] : undefined;
  const pairs = isJsonObject(map) ? Object.entries(map) : [];
  if (pairs.length === 0 || pairs.some(([, name]) => typeof name !== 'string')) {
    throw new InputError('weights-index', 'the index does not say which file holds which tensor', {
      file: index,
      field: 'weight_map',
      found: quoteValue(map),
      expected: 'an object {tensor name: file name}',
    });
  }
  return new Map(pairs as [string, string][]);
}

function checkIndex(
  weightMap: ReadonlyMap<string, string>,
  files: ReadonlyMap<string, SafetensorsFile>,
  index: string,
): void {
  const problems: InputError[] = [];
  const report = (message: string, field: string, found: string): void => {
    problems.push(
      new InputError('weights-index', message, {
        file: index,
        field,
        found,
        hint: 'fetch index and weights again, from one version of the model',
      }),
    );
  };
  for (const [tensor, name] of weightMap) {
    if (!files.get(name)!.tensors.has(tensor))
      report('a tensor is not in the file named for it', tensor, name);
  }
  for (const [name, file] of files) {
    for (const tensor of file.tensors.keys()) {
      const named = weightMap.get(tensor);
      if (named === undefined) report('a file holds a tensor that the index does not name', tensor, name);
      else if (named !== name && files.get(named)!.tensors.has(tensor)) {
        report('a tensor stands in two files', tensor, `${named} and ${name}`);
      }
    }
  }
  throwProblems(problems);
}

/**
 * Says what a model without safetensors has instead: `weights-format` or `weights-missing`.
 * @param directory the folder, or the model's name.
 * @param entries names of its files.
 */
export function missingWeights(directory: string, entries: readonly string[]): InputError {
  const other = entries.find((name) =>
    /^(pytorch_model.*\.bin(\.index\.json)?|tf_model\.h5|flax_model\.msgpack|.*\.gguf|.*\.pth)$/.test(name),
  );
  if (other !== undefined) {
    return new InputError('weights-format', 'the weights are not in safetensors format', {
      file: directory,
      found: other,
      expected: `${WEIGHTS_FILE} or ${WEIGHTS_INDEX_FILE}`,
      hint: 'convert the model to safetensors: in Python, load it with transformers and call save_pretrained',
    });
  }
  return new InputError('weights-missing', 'the folder holds no weights', {
    file: directory,
    expected: `${WEIGHTS_FILE} or ${WEIGHTS_INDEX_FILE}`,
    hint: 'give the folder of a Hugging Face model',
  });
}

/** SHA-256 over the weights of a model directory, see {@link Weights.digest}. @throws as {@link openWeights}. */
export async function weightsDigest(directory: string): Promise<string> {
  const weights = await openWeights(directory);
  try {
    return await weights.digest();
  } finally {
    await weights.close();
  }
}
