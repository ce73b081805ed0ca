/** Which files of a repository a command needs: what our loaders read, none of which is ever run. */
import { InputError, quoteValue } from '@selective-dpo/foundation';
import {
  COMPANION_FILES,
  CONFIG_FILE,
  WEIGHTS_FILE,
  WEIGHTS_INDEX_FILE,
  missingWeights,
  readWeightIndex,
} from '@selective-dpo/model';
import { refuseUnsafePath } from './repository-file.js';

/** A whole model, or its tokenizer alone. */
export type ModelPart = 'model' | 'tokenizer';

/** Small files: what they hold is looked at before any weights are fetched. */
export const SMALL_FILES: readonly string[] = [CONFIG_FILE, ...COMPANION_FILES];

/** The file that a part cannot do without. */
export const FIRST_FILE: Readonly<Record<ModelPart, string>> = {
  model: CONFIG_FILE,
  tokenizer: 'tokenizer.json',
};

/**
 * The file of a repository from which its weights are found: `model.safetensors` or an index.
 * @param names files of the repository.
 * @throws InputError `weights-format` for a model of pickled weights alone, `weights-missing`.
 */
export function weightsEntry(names: Iterable<string>, source: string): string {
  const all = new Set(names);
  const entry = [WEIGHTS_FILE, WEIGHTS_INDEX_FILE].find((name) => all.has(name));
  if (entry !== undefined) return entry;
  throw missingWeights(source, [...all]);
}

/**
 * The files an index names, each once.
 * @throws InputError `path-outside-folder`, `weights-format` for what is no safetensors file, those of `readWeightIndex`.
 */
export async function shardsOf(index: string, source: string): Promise<string[]> {
  const shards = [...new Set((await readWeightIndex(index)).values())].sort();
  for (const shard of shards) {
    refuseUnsafePath(shard, source);
    if (shard.endsWith('.safetensors')) continue;
    throw new InputError('weights-format', 'the index names a file that is not in safetensors format', {
      ...{ file: source, found: quoteValue(shard), expected: 'names that end in .safetensors' },
    });
  }
  return shards;
}

/** @throws InputError `hub-not-a-model` where the file that a part cannot do without is not among `names`. */
export function refuseIncomplete(part: ModelPart, names: Iterable<string>, source: string): void {
  const all = new Set(names);
  if (all.has(FIRST_FILE[part])) return;
  throw new InputError('hub-not-a-model', `the repository holds no ${FIRST_FILE[part]}`, {
    file: source,
    found: quoteValue([...all].slice(0, 5)),
    hint: `give a model${part === 'model' ? '' : ' with a fast tokenizer'} in the layout of transformers`,
  });
}
