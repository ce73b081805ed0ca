/** A model out of the cache alone, with no server asked. */
import { join } from 'node:path';
import { InputError } from '@selective-dpo/foundation';
import { WEIGHTS_FILE, WEIGHTS_INDEX_FILE } from '@selective-dpo/model';
import type { ModelName } from './model-name.js';
import { FIRST_FILE, SMALL_FILES, shardsOf, type ModelPart } from './needed-files.js';
import type { RepositoryCache } from './repository-cache.js';

export interface FetchedModel {
  /** The snapshot: a Hugging Face model directory. */
  directory: string;
  /** `org/name`. */
  repository: string;
  /** The revision as it stood: 40 hexadecimal digits. */
  commit: string;
}

/**
 * Finds what an earlier process, of this program or of Python's, has fetched.
 * @param given as the user wrote the name.
 * @throws InputError `hub-not-cached` that names what is missing.
 */
export async function cachedModel(
  cache: RepositoryCache,
  { repository, revision }: ModelName,
  part: ModelPart,
  given: string,
): Promise<FetchedModel> {
  const commit = await cache.commitOf(revision);
  if (commit === undefined) throw notCached(cache, given, `no commit for the revision ${revision}`);
  const directory = cache.snapshotFolder(commit);
  const missing = await missingFiles(cache, commit, part, given);
  if (missing.length === 0) return { directory, repository, commit };
  const rest = missing.length > 5 ? ` and ${missing.length - 5} more` : '';
  throw notCached(cache, given, `commit ${commit} without ${missing.slice(0, 5).join(', ')}${rest}`);
}

/** Needed files that a snapshot lacks. Which optional ones it should have is known where Python has left its listing. */
async function missingFiles(
  cache: RepositoryCache,
  commit: string,
  part: ModelPart,
  given: string,
): Promise<string[]> {
  const listed = new Set(await cache.listedByPython(commit));
  const lacking: string[] = [];
  for (const name of SMALL_FILES) {
    const isNeeded = name === FIRST_FILE[part] || listed.has(name);
    const state = await stateOf(cache, commit, name);
    if (state === 'damaged' || (isNeeded && state === 'absent')) lacking.push(described(name, state));
  }
  return part === 'tokenizer' ? lacking : [...lacking, ...(await missingWeightFiles(cache, commit, given))];
}

async function missingWeightFiles(cache: RepositoryCache, commit: string, given: string): Promise<string[]> {
  const single = await stateOf(cache, commit, WEIGHTS_FILE);
  if (single === 'sound') return [];
  if (single === 'damaged') return [described(WEIGHTS_FILE, single)];
  if ((await stateOf(cache, commit, WEIGHTS_INDEX_FILE)) !== 'sound') return [WEIGHTS_FILE];
  const shards = await shardsOf(join(cache.snapshotFolder(commit), WEIGHTS_INDEX_FILE), given);
  const lacking: string[] = [];
  for (const shard of shards) {
    const state = await stateOf(cache, commit, shard);
    if (state !== 'sound') lacking.push(described(shard, state));
  }
  return lacking;
}

type FileState = 'sound' | 'absent' | 'damaged';

/** What cannot be read is as good as damaged. */
async function stateOf(cache: RepositoryCache, commit: string, name: string): Promise<FileState> {
  if (!(await cache.has(commit, name))) return 'absent';
  return (await cache.isSound(commit, name).catch(() => false)) ? 'sound' : 'damaged';
}

function described(name: string, state: FileState): string {
  return state === 'damaged' ? `${name} (damaged)` : name;
}

function notCached(cache: RepositoryCache, file: string, found: string): InputError {
  return new InputError(
    'hub-not-cached',
    'there is no folder of this name, and no whole model in the cache',
    {
      file,
      found: `${found}, in ${cache.folder}`,
      hint: 'fetch it where there is a network (sdpo fetch), without --offline and HF_HUB_OFFLINE',
    },
  );
}
