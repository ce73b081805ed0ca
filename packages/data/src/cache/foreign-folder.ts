/** Whether a folder may become a cache. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, LOCK_FILE, explainSystemError } from '@selective-dpo/foundation';
import { MANIFEST_FILE } from './manifest.js';
import { INPUTS_FILE, SHARDS_FOLDER, WORKERS_FILE } from './unfinished-cache.js';

/** @throws InputError `folder-in-use` for a folder that holds something and is no cache. */
export async function refuseForeignFolder(directory: string): Promise<void> {
  const names = await entriesOf(directory);
  if ([MANIFEST_FILE, INPUTS_FILE, WORKERS_FILE].some((name) => names.includes(name))) return;
  const foreign = names.find(
    (name) => name !== SHARDS_FOLDER && !name.startsWith(LOCK_FILE) && !isLeftover(name),
  );
  const inside = names.includes(SHARDS_FOLDER) ? await entriesOf(join(directory, SHARDS_FOLDER)) : [];
  if (foreign === undefined && inside.length === 0) return;
  throw new InputError('folder-in-use', 'the folder is not empty and holds no cache', {
    file: directory,
    found: foreign ?? `${SHARDS_FOLDER}/${inside[0]!}`,
    expected: 'a new or empty folder, or a cache',
    hint: 'choose another --out',
  });
}

/**
 * Of a writer that was killed before it published anything, or of a worker that begins in this moment; what only the first publishes
 * (`publishFirst`) is written under a temporary name of a temporary name.
 */
function isLeftover(name: string): boolean {
  return [INPUTS_FILE, WORKERS_FILE].some(
    (file) => name.startsWith(`.${file}.`) || name.startsWith(`..${file}.`),
  );
}

async function entriesOf(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw explainSystemError(error, directory);
  }
}
