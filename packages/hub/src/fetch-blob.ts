/**
 * One file of a repository into `blobs/`: goes on where an earlier process was stopped, and takes its name only once its bytes
 * are those that its digest stands for.
 */
import type { Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  FolderLock,
  InputError,
  TransientFailure,
  explainSystemError,
  makeFolder,
  openRegularFile,
  pause,
  quoteValue,
  syncDirectory,
  type ProgressListener,
  type StreamedAnswer,
} from '@selective-dpo/foundation';
import { READ_THROUGH_BYTES, blobHash, hashOfStart } from './blob-digest.js';
import type { HubConnection } from './hub-connection.js';
import { brokenOff } from './hub-errors.js';
import type { RepositoryCache } from './repository-cache.js';
import type { RepositoryFile } from './repository-file.js';

/**
 * Python takes `DIGEST.incomplete` for its own; old versions append to it under a lock that Node does not know. So ours has
 * another name, and no two programs ever write to one file.
 */
const INCOMPLETE = '.selective-dpo.incomplete';
const LOCK_WAIT_MS = 500;
/** Failures in a row without a byte between them after which a download is given up; the last waits are half a minute. */
const TRANSFER_FAILURES = 8;

export interface BlobSource {
  connection: HubConnection;
  cache: RepositoryCache;
  commit: string;
  listener: ProgressListener | undefined;
}

/** Bytes of a file that need not be fetched any more: all of it, or what an earlier process left. */
export async function bytesThere(cache: RepositoryCache, file: RepositoryFile): Promise<number> {
  if (await isWhole(cache, file)) return file.bytes;
  const { size } = (await stat(incompletePath(cache, file)).catch(() => undefined)) ?? { size: 0 };
  return size <= file.bytes ? size : 0;
}

/**
 * Sees that a file's blob is there.
 * @param onBytes is told of bytes as they are written, and by a negative number of bytes that had to be thrown away.
 * @throws InputError `hub-digest`, `hub-size`, `disk-full`, those of the connection; the signal's reason once it is aborted.
 */
export async function fetchBlob(
  source: BlobSource,
  file: RepositoryFile,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { cache } = source;
  if (await isWhole(cache, file)) return;
  await makeFolder(dirname(cache.blobPath(file)));
  const lock = await lockOf(source, file);
  try {
    // Whoever held the lock may have fetched it.
    if (await isWhole(cache, file)) return;
    await new BlobTransfer(source, file, onBytes).run();
  } catch (error) {
    throw explainSystemError(error, cache.blobPath(file));
  } finally {
    await lock.release();
  }
}

function incompletePath(cache: RepositoryCache, file: RepositoryFile): string {
  return `${cache.blobPath(file)}${INCOMPLETE}`;
}

/** Whether a blob is there and is what its name says. */
async function isWhole(cache: RepositoryCache, file: RepositoryFile): Promise<boolean> {
  const opened = await openRegularFile(cache.blobPath(file)).catch(() => undefined);
  if (opened === undefined) return false;
  const { handle, size } = opened;
  try {
    if (size !== file.bytes) return false;
    if (size > READ_THROUGH_BYTES) return true;
    return (await hashOfStart(handle, file, size)).digest('hex') === file.digest;
  } finally {
    await handle.close();
  }
}

/** One process fetches a blob; others wait for it, and go on with what it left where it fails. */
async function lockOf(
  { cache, connection, listener }: BlobSource,
  file: RepositoryFile,
): Promise<FolderLock> {
  await makeFolder(cache.lockFolder);
  const purpose = { code: 'hub-busy', what: 'file of the model' };
  const name = `${file.digest}.selective-dpo.lock`;
  for (let told = false; ; told = true) {
    try {
      return await FolderLock.acquire(cache.lockFolder, purpose, name);
    } catch (error) {
      if (!(error instanceof InputError && error.code === purpose.code)) throw error;
      const { found = 'another process' } = error.details;
      const message = `${found} fetches ${file.path}: waiting for it; if it is gone, delete ${join(cache.lockFolder, name)}`;
      if (!told) listener?.({ type: 'notice', code: 'waiting', message });
      await pause(LOCK_WAIT_MS, connection.signal);
    }
  }
}

/** For reading and appending; a link, which would lead what is written elsewhere, goes. */
async function openOwn(path: string): Promise<FileHandle> {
  const there = await lstat(path).catch(() => undefined);
  if (there !== undefined && !there.isFile()) await rm(path, { recursive: true });
  // Windows has no such flag.
  const noLink = (constants.O_NOFOLLOW as number | undefined) ?? 0;
  return open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | noLink, 0o666);
}

class BlobTransfer {
  private written = 0;
  /** Over the bytes written. */
  private hash: Hash;
  private readonly path: string;

  constructor(
    private readonly source: BlobSource,
    private readonly file: RepositoryFile,
    private readonly onBytes: (bytes: number) => void,
  ) {
    this.path = incompletePath(source.cache, file);
    this.hash = blobHash(file);
  }

  async run(): Promise<void> {
    try {
      await this.untilRight();
    } catch (error) {
      if (this.written === 0) await rm(this.path, { force: true });
      throw error;
    }
    await rename(this.path, this.source.cache.blobPath(this.file));
    await syncDirectory(dirname(this.path));
  }

  /** Bytes that turn out wrong, which an earlier process may have left, are fetched once more from the first on. */
  private async untilRight(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const found = await this.fetchMissing();
      if (found === this.file.digest) return;
      if (attempt > 0) throw this.otherDigest(found);
    }
  }

  /** @returns the digest of what is there then, flushed to the disk; of wrong bytes nothing is left. */
  private async fetchMissing(): Promise<string> {
    const handle = await openOwn(this.path);
    try {
      await this.goOn(handle);
      await this.source.connection.retried(() => this.transfer(handle), {
        ...{ attempts: TRANSFER_FAILURES, explain: brokenOff, progress: () => this.written },
      });
      const found = this.hash.digest('hex');
      if (found === this.file.digest) await handle.sync();
      else await this.discard(handle);
      return found;
    } finally {
      await handle.close();
    }
  }

  /** Takes up what an earlier process left. */
  private async goOn(handle: FileHandle): Promise<void> {
    this.written = (await handle.stat()).size;
    if (this.written > this.file.bytes) await handle.truncate((this.written = 0));
    this.hash = await hashOfStart(handle, this.file, this.written);
  }

  private async transfer(handle: FileHandle): Promise<void> {
    const { connection, commit } = this.source;
    const { repository } = connection.asked;
    if (this.written === this.file.bytes) return;
    const path = `${repository}/resolve/${commit}/${this.file.path}`;
    const answer = await connection.open(path, this.written);
    try {
      await this.refuseOtherRange(answer, handle);
      for await (const piece of answer.pieces) await this.write(handle, piece);
    } finally {
      answer.abandon();
    }
    if (this.written === this.file.bytes) return;
    throw new TransientFailure(
      `${this.file.path} ended after ${this.written} of ${this.file.bytes} bytes`,
      'connection',
    );
  }

  private async write(handle: FileHandle, piece: Uint8Array): Promise<void> {
    if (this.written + piece.length > this.file.bytes) {
      await this.discard(handle);
      throw this.otherSize(`more than ${this.file.bytes} bytes`);
    }
    for (let at = 0; at < piece.length;) {
      const { bytesWritten } = await handle.write(piece, at);
      this.hash.update(piece.subarray(at, at + bytesWritten));
      at += bytesWritten;
      this.written += bytesWritten;
      this.onBytes(bytesWritten);
    }
  }

  /** A server may know no ranges, and give the file from its first byte on. */
  private async refuseOtherRange({ status, headers }: StreamedAnswer, handle: FileHandle): Promise<void> {
    if (status === 416) {
      await this.discard(handle);
      throw new TransientFailure('HTTP 416', 'answer');
    }
    if (status === 200) await this.discard(handle);
    const range = /^bytes (\d{1,16})-\d{1,16}\/(\d{1,16}|\*)$/.exec(headers.get('content-range') ?? '');
    if (status === 206 && Number(range?.[1] ?? NaN) !== this.written) {
      await this.discard(handle);
      throw new TransientFailure(`another range: ${quoteValue(headers.get('content-range'))}`, 'answer');
    }
    const length = headers.has('content-encoding') ? null : headers.get('content-length');
    const total = range?.[2] ?? (length === null ? '*' : String(this.written + Number(length)));
    if (total !== '*' && Number(total) !== this.file.bytes) throw this.otherSize(`${total} bytes`);
  }

  /** What is there is of no use. */
  private async discard(handle: FileHandle): Promise<void> {
    if (this.written > 0) this.onBytes(-this.written);
    await handle.truncate((this.written = 0));
    this.hash = blobHash(this.file);
  }

  private otherSize(found: string): InputError {
    return new InputError('hub-size', 'a file of the model does not have the size that the hub lists', {
      file: `${this.source.connection.asked.name}: ${this.file.path}`,
      ...{ found, expected: `${this.file.bytes} bytes`, hint: 'run the same command again later' },
    });
  }

  private otherDigest(found: string): InputError {
    return new InputError('hub-digest', 'a file of the model does not have the content that the hub lists', {
      file: `${this.source.connection.asked.name}: ${this.file.path}`,
      ...{ found, expected: this.file.digest },
      hint: 'something between changes it, such as a proxy; nothing of it was kept',
    });
  }
}
