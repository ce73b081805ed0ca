/**
 * Reading files nobody has checked. A pipe or a device under an expected name must not hang or feed the program, and a file
 * must not be larger than anything of its kind.
 */
import { constants } from 'node:fs';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { InputError, explainSystemError } from './errors.js';
import { notAFolder } from './folders.js';

/**
 * Opens a file for reading, without waiting for a pipe's writer.
 * @returns the handle, which the caller closes, and the size in bytes.
 * @throws InputError `file-not-found`, `not-a-file`, `not-a-folder` naming the file in a folder's place, `no-permission`, …
 */
export async function openRegularFile(path: string): Promise<{ handle: FileHandle; size: number }> {
  let handle: FileHandle;
  try {
    // Windows has neither the flag nor named pipes among its files.
    handle = await open(path, constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') throw await notAFolder(path);
    throw explainSystemError(error, path);
  }
  const status = await handle.stat();
  if (status.isFile()) return { handle, size: status.size };
  await handle.close();
  throw new InputError('not-a-file', 'is not a regular file', {
    file: path,
    found: status.isDirectory() ? 'a folder' : 'a pipe or a device',
    expected: 'a regular file',
  });
}

/** Refuses what is no file that can be read. @throws InputError as {@link openRegularFile}. */
export async function requireFile(path: string): Promise<void> {
  await (await openRegularFile(path)).handle.close();
}

/**
 * The bytes of a file of at most `maxBytes`.
 * @throws InputError `file-too-large`, and those of {@link openRegularFile}.
 */
export async function readRegularFile(path: string, maxBytes: number): Promise<Buffer> {
  const { handle, size } = await openRegularFile(path);
  try {
    if (size > maxBytes) {
      throw new InputError('file-too-large', 'the file is larger than any of its kind', {
        file: path,
        found: `${size} bytes`,
        expected: `at most ${maxBytes} bytes`,
        hint: 'check that this is the right file',
      });
    }
    return await handle.readFile();
  } catch (error) {
    throw explainSystemError(error, path);
  } finally {
    await handle.close();
  }
}

/**
 * Refuses a link or a file where a folder of ours belongs: what is written and removed inside it must stay inside. An
 * absent folder is fine.
 * @throws InputError `not-a-folder`.
 */
export async function refuseLinkedFolder(path: string): Promise<void> {
  const status = await lstat(path).catch(() => undefined);
  if (status === undefined || status.isDirectory()) return;
  throw new InputError('not-a-folder', 'is not a folder of its own', {
    file: path,
    found: status.isSymbolicLink() ? 'a link' : 'a file',
    expected: 'a folder',
    hint: 'remove it, or choose another place',
  });
}
