import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { explainSystemError, InputError } from '@selective-dpo/foundation';

/**
 * Opens a file for reading. A pipe or a device under a model's file name must not hang or feed the program: it is opened
 * without waiting, and refused.
 * @returns the handle, which the caller closes, and the size in bytes.
 * @throws InputError `file-not-found`, `not-a-file`, `no-permission`, …
 */
export async function openRegularFile(path: string): Promise<{ handle: FileHandle; size: number }> {
  let handle: FileHandle;
  try {
    // Windows has neither the flag nor named pipes among its files.
    handle = await open(path, constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0));
  } catch (error) {
    throw explainSystemError(error, path);
  }
  const status = await handle.stat();
  if (status.isFile()) return { handle, size: status.size };
  await handle.close();
  throw new InputError('not-a-file', 'is not a regular file', {
    file: path,
    expected: 'a file',
    hint: 'give the folder of a Hugging Face model',
  });
}
