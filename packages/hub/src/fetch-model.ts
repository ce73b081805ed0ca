/** A model by its name: listed, fetched file by file, each checked, and found again by Python's huggingface_hub. */
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import {
  InputError,
  Interrupted,
  ProgressMeter,
  formatByteSize,
  makeFolder,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { WEIGHTS_FILE, readModelConfig } from '@selective-dpo/model';
import { cachedModel, type FetchedModel } from './cached-model.js';
import { bytesThere, fetchBlob, type BlobSource } from './fetch-blob.js';
import { HubConnection } from './hub-connection.js';
import { HubUnreachable } from './hub-errors.js';
import type { HubSettings } from './hub-settings.js';
import type { ModelName } from './model-name.js';
import { SMALL_FILES, refuseIncomplete, shardsOf, weightsEntry, type ModelPart } from './needed-files.js';
import { RepositoryCache } from './repository-cache.js';
import type { RepositoryFile } from './repository-file.js';
import { listRepository, type RepositoryListing } from './repository-listing.js';

export interface FetchOptions {
  settings: HubSettings;
  /** A tokenizer alone needs no weights. */
  part: ModelPart;
  listener?: ProgressListener | undefined;
  signal?: AbortSignal | undefined;
  /** In [0, 1), for the time between two attempts. */
  random?: (() => number) | undefined;
}

/**
 * Sees that a model is in the cache, and returns where. What an earlier process fetched is taken up; a file counts once its
 * digest was found right. Where the hub cannot be reached, what the cache has of the revision is taken, and said.
 * @param given the name as the user wrote it.
 * @throws InputError `hub-…`, `weights-format`, `path-outside-folder`, `disk-full`, those of config.json; Interrupted.
 */
export async function fetchModel(
  name: ModelName,
  given: string,
  options: FetchOptions,
): Promise<FetchedModel> {
  const { settings, part, listener, signal = new AbortController().signal, random } = options;
  const cache = new RepositoryCache(settings.cacheFolder, name.repository);
  if (settings.offline) return cachedModel(cache, name, part, given);
  const connection = new HubConnection(settings, name, given, { signal, listener, random });
  try {
    connection.tellOfKeyInClear();
    const listing = await listRepository(connection);
    const model = new ModelFetch({ connection, cache, commit: listing.commit, listener }, listing);
    await model.run(part);
    await cache.noteCommit(name.revision, listing.commit);
    return {
      directory: cache.snapshotFolder(listing.commit),
      repository: name.repository,
      commit: listing.commit,
    };
  } catch (error) {
    if (signal.aborted) {
      throw new Interrupted(`${given}: stopped; what was fetched is kept`, 'run the same command again');
    }
    if (!(error instanceof HubUnreachable)) throw error;
    const found = await cachedModel(cache, name, part, given).catch(() => undefined);
    if (found === undefined) throw error;
    const message = `${settings.endpoint.host} does not answer: ${given} is taken from the cache, commit ${found.commit}`;
    listener?.({ type: 'notice', code: 'hub-from-cache', message });
    return found;
  }
}

class ModelFetch {
  private readonly name: string;

  constructor(
    private readonly source: BlobSource,
    private readonly listing: RepositoryListing,
  ) {
    this.name = source.connection.asked.name;
  }

  /** Small files first: a model that cannot be loaded is refused before its weights are fetched, and weights say that all is there. */
  async run(part: ModelPart): Promise<void> {
    const { cache, commit } = this.source;
    const { files } = this.listing;
    refuseIncomplete(part, files.keys(), this.name);
    const entry = part === 'model' ? weightsEntry(files.keys(), this.name) : undefined;
    const index = entry === WEIGHTS_FILE ? undefined : entry;
    await this.fetchAll(
      [...SMALL_FILES, ...(index === undefined ? [] : [index])].filter((name) => files.has(name)),
    );
    if (entry === undefined) return;
    await readModelConfig(cache.snapshotFolder(commit));
    await this.fetchAll(
      index === undefined ? [entry] : await shardsOf(join(cache.snapshotFolder(commit), index), this.name),
    );
  }

  /** Fetches files, one after the other, and puts each into the snapshot. */
  private async fetchAll(names: readonly string[]): Promise<void> {
    const { cache, commit, listener } = this.source;
    const files = names.map((name) => this.listed(name));
    const there = await Promise.all(files.map((file) => bytesThere(cache, file)));
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const done = there.reduce((sum, bytes) => sum + bytes, 0);
    if (done < total) await this.refuseFullDisk(total - done);
    const progress = new FetchProgress(`fetch ${this.name}`, total, done, listener);
    for (const file of files) {
      await fetchBlob(this.source, file, (bytes) => progress.add(bytes));
      await cache.link(commit, file);
    }
  }

  private listed(name: string): RepositoryFile {
    const file = this.listing.files.get(name);
    if (file !== undefined) return file;
    throw new InputError('weights-index', 'the index names a file that the repository does not have', {
      ...{ file: this.name, found: name, hint: 'give another revision of the model' },
    });
  }

  private async refuseFullDisk(needed: number): Promise<void> {
    const { folder } = this.source.cache;
    await makeFolder(folder);
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize >= needed) return;
    throw new InputError('disk-full', 'the disk has too little room for the model', {
      file: folder,
      found: `${formatByteSize(bavail * bsize)} free`,
      expected: formatByteSize(needed),
      hint: 'free some space, or let HF_HOME name a folder on another disk',
    });
  }
}

/** Bytes of some files together; those that had to be thrown away begin a new reckoning of the rate. */
class FetchProgress {
  private meter: ProgressMeter;
  private done: number;

  constructor(
    private readonly stage: string,
    private readonly total: number,
    done: number,
    private readonly listener: ProgressListener | undefined,
  ) {
    this.done = done;
    this.meter = this.meterFrom(done);
  }

  add(bytes: number): void {
    this.done += bytes;
    if (bytes < 0) this.meter = this.meterFrom(this.done);
    this.listener?.(this.meter.advance(Math.max(bytes, 0)));
  }

  private meterFrom(done: number): ProgressMeter {
    return new ProgressMeter(this.stage, 'bytes', this.total, done);
  }
}
