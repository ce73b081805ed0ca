/**
 * The folder of one repository in the cache that Python's huggingface_hub and this program share: `blobs/DIGEST`,
 * `snapshots/COMMIT/FILE` (links to blobs), `refs/REVISION` (a commit). Source: the guide "Manage huggingface_hub cache-system".
 */
import { copyFile, lstat, readlink, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import {
  InputError,
  explainSystemError,
  makeFolder,
  openRegularFile,
  publishBytes,
  readRegularFile,
  resolveInside,
  temporaryPath,
} from '@selective-dpo/foundation';
import { READ_THROUGH_BYTES, hashOfStart } from './blob-digest.js';
import { isCommit } from './model-name.js';
import type { RepositoryFile } from './repository-file.js';

/** A commit, with room for the line's end that an editor may have added. */
const MAX_REF_BYTES = 64;
/** Python's list of a commit's files, as large as a listing may be. */
const MAX_TREE_BYTES = 64 << 20;

export class RepositoryCache {
  readonly folder: string;
  /** Of all repositories' locks; theirs are below it. */
  readonly lockFolder: string;

  /** @param repository `org/name`, of the form that `parseModelName` gives. */
  constructor(cacheFolder: string, repository: string) {
    const name = `models--${repository.replace('/', '--')}`;
    this.folder = join(cacheFolder, name);
    this.lockFolder = join(cacheFolder, '.locks', name);
  }

  blobPath({ digest }: Pick<RepositoryFile, 'digest'>): string {
    return join(this.folder, 'blobs', digest);
  }

  snapshotFolder(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  /** The commit that a revision stood for when it was last fetched; undefined for one that never was. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const file = resolveInside(join(this.folder, 'refs'), revision, this.folder);
    const text = await readRegularFile(file, MAX_REF_BYTES).catch(() => undefined);
    const commit = text?.toString('utf8').trim();
    return commit !== undefined && isCommit(commit) ? commit : undefined;
  }

  /** Notes what a revision stands for. A cache that takes no writes goes without. @throws InputError of the file system. */
  async noteCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    const file = resolveInside(join(this.folder, 'refs'), revision, this.folder);
    try {
      await makeFolder(dirname(file));
      await publishBytes(file, commit);
    } catch (error) {
      if (!(error instanceof InputError && ['read-only', 'no-permission'].includes(error.code))) throw error;
    }
  }

  /** Whether a snapshot has a file, its blob included. */
  async has(commit: string, path: string): Promise<boolean> {
    return (await stat(join(this.snapshotFolder(commit), path)).catch(() => undefined))?.isFile() === true;
  }

  /**
   * Whether a file of a snapshot is what the name of its blob says, as far as it is small enough to be read through
   * ({@link READ_THROUGH_BYTES}) and is a blob at all: where there are no links, snapshots hold copies.
   */
  async isSound(commit: string, path: string): Promise<boolean> {
    const real = await realpath(join(this.snapshotFolder(commit), path));
    const digest = basename(real);
    if (
      dirname(real) !== join(await realpath(this.folder), 'blobs') ||
      !/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(digest)
    )
      return (await lstat(join(this.snapshotFolder(commit), path))).isFile();
    const { handle, size: bytes } = await openRegularFile(real);
    try {
      return (
        bytes > READ_THROUGH_BYTES ||
        (await hashOfStart(handle, { bytes, digest }, bytes)).digest('hex') === digest
      );
    } finally {
      await handle.close();
    }
  }

  /**
   * Paths of a commit's files where Python has left its listing (`trees/COMMIT.json`, format 1); undefined where there is none
   * that can be read.
   */
  async listedByPython(commit: string): Promise<string[] | undefined> {
    try {
      const text = await readRegularFile(join(this.folder, 'trees', `${commit}.json`), MAX_TREE_BYTES);
      const { format_version: version, files } = JSON.parse(text.toString('utf8')) as Record<string, unknown>;
      return version === 1 && typeof files === 'object' && files !== null ? Object.keys(files) : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Puts a file whose blob is there into a snapshot; where the file system takes no links, as a copy.
   * @throws InputError of the file system.
   */
  async link(commit: string, file: RepositoryFile): Promise<string> {
    const blob = this.blobPath(file);
    const path = resolveInside(this.snapshotFolder(commit), file.path, this.folder);
    const target = relative(dirname(path), blob);
    if ((await readlink(path).catch(() => undefined)) === target) return path;
    await makeFolder(dirname(path));
    const aside = temporaryPath(path);
    try {
      await symlink(target, aside).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EPERM' && error.code !== 'ENOSYS' && error.code !== 'ENOTSUP') throw error;
        await copyFile(blob, aside);
      });
      await rename(aside, path);
    } catch (error) {
      await rm(aside, { force: true });
      throw explainSystemError(error, path);
    }
    return path;
  }
}
