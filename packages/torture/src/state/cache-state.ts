/** What our own readers find in the folder of a cache after a disturbance. */
import {
  CacheReader,
  INPUTS_FILE,
  MANIFEST_FILE,
  readManifest,
  sealedText,
  sidecarText,
} from '@selective-dpo/data';
import { InputError, sha256 } from '@selective-dpo/foundation';
import { MixedState, publishedFiles, refuseOtherFiles, type Digests } from './published-files.js';

const SIDECAR = /^shards\/shard-\d+\.json$/;

/** Every file that a growing cache may have published on its way to a finished one, and the finished one's own. */
export async function filesOnTheWay(finished: string): Promise<Map<string, string>> {
  const { inputs, shards } = await readManifest(finished);
  const files = await publishedFiles(finished);
  files.set(INPUTS_FILE, sha256(sealedText(inputs)));
  for (const shard of shards) {
    files.set(shard.arrow.name.replace('.arrow', '.json'), sha256(sidecarText(shard, inputs)));
  }
  return files;
}

/**
 * Whole shards that count in a folder, and one more once the cache is finished.
 * @param published what may stand there.
 * @throws MixedState where a file is not what was published, or a reader says other than the files do.
 */
export async function cacheStateIn(folder: string, published: Digests): Promise<number> {
  const files = await publishedFiles(folder);
  refuseOtherFiles(files, published);
  if (files.has(MANIFEST_FILE)) return finishedState(folder);
  await refuseReadable(folder);
  const sidecars = [...files.keys()].filter((name) => SIDECAR.test(name));
  for (const sidecar of sidecars) {
    const missing = ['parquet', 'arrow'].find((ending) => !files.has(sidecar.replace(/json$/, ending)));
    if (missing !== undefined) throw new MixedState(`${sidecar} counts a shard without its ${missing}`);
  }
  return sidecars.length;
}

async function finishedState(folder: string): Promise<number> {
  try {
    const reader = await CacheReader.open(folder, { verify: 'all' });
    let rows = 0;
    for await (const row of reader.rows()) rows += row.sourceRow >= 0 ? 1 : 0;
    await reader.close();
    if (rows !== reader.rowCount) throw new MixedState(`${rows} rows of ${reader.rowCount}`);
    return reader.manifest.shards.length + 1;
  } catch (error) {
    throw mixed(error);
  }
}

/** A cache that is not finished is no cache to a reader, and it says so. */
async function refuseReadable(folder: string): Promise<void> {
  const reader = await CacheReader.open(folder).catch((error: unknown) => error);
  const code = reader instanceof InputError ? reader.code : undefined;
  if (code !== 'cache-missing' && code !== 'cache-unfinished') {
    throw new MixedState(`a cache without a manifest gave ${code ?? String(reader)}`);
  }
}

const mixed = (error: unknown): MixedState =>
  error instanceof MixedState ? error : new MixedState(String(error));
