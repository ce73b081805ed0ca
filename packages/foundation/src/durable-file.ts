/**
 * Files that are either absent or whole. Write to a temporary name in the same folder, fsync, rename,
 * fsync the folder: a crash at any moment leaves the old state or the new one.
 */
import { randomBytes } from 'node:crypto';
import { link, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InputError, explainSystemError } from './errors.js';
import { BROKEN_LINK, kindOf, makeFolder } from './folders.js';

/** Names that end so are leftovers of a run that was killed; they never count as published. */
export const TEMPORARY_SUFFIX = '.tmp';

/** Processes on several hosts may write to one folder, and have one number. */
const PROCESS_NAME = `${process.pid}-${randomBytes(4).toString('hex')}`;
let writes = 0;

/** A temporary name beside `path` to write to before publishing: another one for every write. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${PROCESS_NAME}-${writes++}${TEMPORARY_SUFFIX}`);
}

/** Flushes a folder's entries to disk, so that a rename in it survives a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Publishes a file written by `write`. Nothing appears at `path` unless `write` and the flush succeed.
 * @throws InputError `disk-full`, `no-permission`, `read-only`, … for failures of the file system.
 */
export async function publishFile(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  await refuseOtherKind(path);
  const temporary = temporaryPath(path);
  try {
    const handle = await open(temporary, 'w');
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw explainSystemError(error, path);
  }
}

/** A rename would take the place of a device or a pipe, too. */
async function refuseOtherKind(path: string): Promise<void> {
  const kind = await kindOf(path);
  if (kind === undefined || kind === 'a file' || kind === BROKEN_LINK) return;
  throw new InputError('not-a-file', `is ${kind}, and a file is to be written here`, {
    file: path,
    hint: 'choose another place',
  });
}

/** Bytes that are written at one time. */
const WRITE_BYTES = 16 << 20;

/**
 * Writes all of `bytes`: a disk that is nearly full may take a part and report no failure.
 * @param position in the file; by default where the last write ended.
 */
export async function writeFully(handle: FileHandle, bytes: Uint8Array, position?: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const length = Math.min(bytes.length - done, WRITE_BYTES);
    const at = position === undefined ? null : position + done;
    done += (await handle.write(bytes, done, length, at)).bytesWritten;
  }
}

/** Publishes a text or a block of bytes. @throws as {@link publishFile}. */
export async function publishBytes(path: string, content: string | Uint8Array): Promise<void> {
  await publishFile(path, async (handle) => {
    await handle.writeFile(content);
  });
}

/**
 * {@link publishBytes} for whoever comes first: of several processes one publishes, on this host or another.
 * @returns whether it was this one; false where the file was there.
 * @throws as {@link publishFile}.
 */
export async function publishFirst(path: string, content: string | Uint8Array): Promise<boolean> {
  const aside = temporaryPath(`${path}.first`);
  try {
    await publishBytes(aside, content);
    await link(aside, path);
    await syncDirectory(dirname(path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw explainSystemError(error, path);
  } finally {
    await rm(aside, { force: true }).catch(() => undefined);
  }
}

/**
 * Publishes a folder of files written by `write(temporaryFolder)`: every file is flushed, then the folder
 * takes its final name in one rename. An older folder of that name is replaced.
 * @throws as {@link publishFile}.
 */
export async function publishDirectory(
  path: string,
  write: (directory: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    await rm(temporary, { recursive: true, force: true });
    await makeFolder(temporary);
    await write(temporary);
    await syncTree(temporary);
    await takePlace(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw explainSystemError(error, path);
  }
}

/** Gives a folder its final name. One that is there goes, or stays where that fails. */
async function takePlace(folder: string, path: string): Promise<void> {
  const before = await setAside(path);
  try {
    await rename(folder, path);
  } catch (error) {
    if (before !== undefined) await rename(before, path).catch(() => undefined);
    throw error;
  }
  if (before !== undefined) await rm(before, { recursive: true, force: true });
}

/**
 * Removes a folder so that it is there whole or not at all, whenever the process is killed.
 * @throws InputError `no-permission`, `read-only`, …
 */
export async function removeDirectory(path: string): Promise<void> {
  try {
    const aside = await setAside(path);
    if (aside !== undefined) await rm(aside, { recursive: true, force: true });
  } catch (error) {
    throw explainSystemError(error, path);
  }
}

/** Gives what is at `path` a temporary name, and gives that; undefined where nothing is. */
async function setAside(path: string): Promise<string | undefined> {
  const aside = temporaryPath(path);
  try {
    await rename(path, aside);
    return aside;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else await syncDirectory(path);
  }
  await syncDirectory(directory);
}

/**
 * Removes leftovers of killed runs (names ending in `.tmp`) directly inside `directory`.
 * @param of a name: leftovers of what was to be published under it alone, where others may be writing beside it.
 */
export async function removeTemporaries(directory: string, of?: string): Promise<void> {
  const start = of === undefined ? '.' : `.${of}.`;
  for (const name of await readdir(directory)) {
    if (name.startsWith(start) && name.endsWith(TEMPORARY_SUFFIX)) {
      await rm(join(directory, name), { recursive: true, force: true });
    }
  }
}
