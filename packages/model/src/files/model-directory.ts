/** Writes a model directory that transformers, vLLM and this project load. */
import { constants } from 'node:fs';
import { chmod, copyFile, readdir, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import {
  explainSystemError,
  InputError,
  makeFolder,
  publishDirectory,
  quoteValue,
} from '@selective-dpo/foundation';
import { expectedTensors } from './expected-tensors.js';
import type { JsonObject } from './json-text.js';
import { CONFIG_FILE, parseModelConfig, type ModelConfig } from './model-config.js';
import { throwProblems } from './problem-list.js';
import type { TensorSource, WritableDtype } from './safetensors-writer.js';
import { WEIGHTS_FILE, WEIGHTS_INDEX_FILE } from './weights.js';
import { writeWeights, type WeightsOptions } from './weights-writer.js';

/** Files that make up a tokenizer, and the defaults for generation. Those that the source has are copied as they are. */
export const COMPANION_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
  'chat_template.jinja',
  'chat_template.json',
  'generation_config.json',
] as const;

const MODEL_CARD_FILE = 'README.md';

const TORCH_NAMES: Record<WritableDtype, string> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** What {@link writeModelDirectory} writes. */
export interface ModelDirectoryContent extends WeightsOptions {
  /** `config.json` as it was read, {@link ModelConfig.raw}; its dtype is set to what is written. */
  config: JsonObject;
  /** Every tensor of the model, once, in the order of the model. */
  tensors: Iterable<TensorSource> | AsyncIterable<TensorSource>;
  /** A model directory whose tokenizer files and generation_config.json are copied. */
  sourceDir: string;
  /** Text of README.md. */
  modelCard: string;
}

/**
 * Publishes a model directory in one step: config.json, weights, tokenizer files, README.md. A model directory that was
 * written there before is replaced; anything else in the way is left alone and reported.
 * @throws InputError `folder-in-use` (the target holds other files), `would-replace-source`, and those of
 *   `writeWeights`; InputErrors when the tensors are not those of the configuration.
 */
export async function writeModelDirectory(directory: string, content: ModelDirectoryContent): Promise<void> {
  const { config: raw, sourceDir, dtype = 'F32' } = content;
  const config = parseModelConfig(raw, join(directory, CONFIG_FILE));
  const tensors: TensorSource[] = [];
  for await (const tensor of content.tensors) tensors.push(tensor);
  checkSources(tensors, config, directory);
  await refuseOccupied(directory);
  await refuseSource(directory, sourceDir);
  await makeFolder(dirname(directory));
  await publishDirectory(directory, async (temporary) => {
    const text = JSON.stringify(withDtype(raw, dtype), null, 2);
    await writeFile(join(temporary, CONFIG_FILE), `${text}\n`);
    await writeWeights(temporary, tensors, content);
    await copyCompanions(sourceDir, temporary);
    await writeFile(join(temporary, MODEL_CARD_FILE), content.modelCard);
  });
}

/** The configuration with the stored dtype under the key that the file used: `dtype` or the older `torch_dtype`. */
function withDtype(raw: JsonObject, dtype: WritableDtype): JsonObject {
  const keys = ['dtype', 'torch_dtype'].filter((key) => Object.hasOwn(raw, key));
  const named = (keys.length === 0 ? ['torch_dtype'] : keys).map((key) => [key, TORCH_NAMES[dtype]]);
  return { ...raw, ...(Object.fromEntries(named) as JsonObject) };
}

function checkSources(tensors: readonly TensorSource[], config: ModelConfig, file: string): void {
  const missing = expectedTensors(config);
  const problems: InputError[] = [];
  for (const { name, shape } of tensors) {
    const expected = missing.get(name);
    missing.delete(name);
    if (expected === undefined) {
      problems.push(
        new InputError('tensor-unexpected', 'a tensor has no place in the model, or is given twice', {
          file,
          field: name,
        }),
      );
    } else if (quoteValue(shape) !== quoteValue(expected)) {
      problems.push(
        new InputError('tensor-shape', 'a tensor does not have the shape that the configuration asks for', {
          file,
          field: name,
          found: quoteValue(shape),
          expected: quoteValue(expected),
        }),
      );
    }
  }
  for (const [name, shape] of missing) {
    problems.push(
      new InputError('tensor-missing', 'a tensor of the model is missing', {
        file,
        field: name,
        expected: quoteValue(shape),
      }),
    );
  }
  throwProblems(problems);
}

/** Replacing a folder deletes it, so everything in it must be something this function writes. */
async function refuseOccupied(directory: string): Promise<void> {
  let entries: string[];
  try {
    entries = await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw explainSystemError(error, directory);
  }
  const own = new Set<string>([
    ...COMPANION_FILES,
    CONFIG_FILE,
    WEIGHTS_FILE,
    WEIGHTS_INDEX_FILE,
    MODEL_CARD_FILE,
  ]);
  const foreign = entries.find((name) => !own.has(name) && !/^model-\d{5}-of-\d{5}\.safetensors$/.test(name));
  const isModel = entries.length === 0 || entries.includes(CONFIG_FILE);
  if (foreign === undefined && isModel) return;
  throw new InputError('folder-in-use', 'the folder holds files that are not part of a model', {
    file: directory,
    found: quoteValue(foreign ?? entries[0]),
    expected: 'no such folder, an empty one, or a model directory',
    hint: 'choose another folder',
  });
}

async function refuseSource(directory: string, sourceDir: string): Promise<void> {
  const [target, source] = await Promise.all(
    [directory, sourceDir].map((path) => realpath(path).catch(() => undefined)),
  );
  if (target === undefined || source === undefined) return;
  if (source !== target && !source.startsWith(target + sep)) return;
  throw new InputError(
    'would-replace-source',
    'the new model would take the place of the one it comes from',
    {
      file: directory,
      hint: 'choose another folder',
    },
  );
}

async function copyCompanions(sourceDir: string, target: string): Promise<void> {
  for (const name of COMPANION_FILES) {
    const source = join(sourceDir, name);
    try {
      const status = await stat(source).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
      if (status?.isFile() !== true) continue;
      await copyFile(source, join(target, name), constants.COPYFILE_EXCL);
      // The source may be read-only; its copy is the user's own.
      await chmod(join(target, name), 0o644);
    } catch (error) {
      throw explainSystemError(error, source);
    }
  }
}
