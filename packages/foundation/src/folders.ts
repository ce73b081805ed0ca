/** Folders: making one with its parents, and saying what stands where one was expected. */
import { lstat, mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { InputError, explainSystemError } from './errors.js';

/**
 * Makes a folder and those above it; one that is there is fine. Node's own recursive `mkdir` never ends below `/proc`, where the
 * folder above exists and making one in it still fails for want of it; here each level is tried twice at most.
 * @throws InputError `not-a-folder` naming what is in the way, `folder-impossible`, `no-permission`, `disk-full`, …
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeLevel(resolve(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOTDIR') throw await notAFolder(path);
    if (code !== 'ENOENT') throw explainSystemError(error, path);
    throw new InputError('folder-impossible', 'no folder can be made here', {
      file: path,
      hint: 'choose a place on a disk',
    });
  }
}

async function makeLevel(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (await isFolder(path)) return;
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error;
    await makeLevel(parent);
    await mkdir(path).catch(async (again: unknown) => {
      // Another process may have made it since.
      if (!(await isFolder(path))) throw again;
    });
  }
}

/** Whether a folder is there, links followed. */
export async function isFolder(path: string): Promise<boolean> {
  return (await kindOf(path)) === 'a folder';
}

/** What {@link kindOf} says of a link to nothing. */
export const BROKEN_LINK = 'a link that leads nowhere';

/** What stands at a path, links followed: `a folder`, `a file`, …; undefined where nothing does. */
export async function kindOf(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return 'a folder';
  if (found !== undefined) return found.isFile() ? 'a file' : 'a pipe or a device';
  return (await lstat(path).catch(() => undefined)) === undefined ? undefined : BROKEN_LINK;
}

/**
 * Refuses what is no folder where one is to be read.
 * @param expected what kind of folder, e.g. `a model directory`.
 * @throws InputError `file-not-found`, `not-a-folder`.
 */
export async function requireFolder(path: string, expected: string): Promise<void> {
  const kind = await kindOf(path);
  if (kind === 'a folder') return;
  if (kind !== undefined) throw await notAFolder(path);
  throw new InputError('file-not-found', 'no such folder', { file: path, expected });
}

/** Says that `path`, or the first part of it that is there, is something else than a folder, and what. */
export async function notAFolder(path: string): Promise<InputError> {
  let [at, kind] = [path, await kindOf(path)];
  while (kind === undefined && dirname(at) !== at) [at, kind] = [dirname(at), await kindOf(dirname(at))];
  return new InputError('not-a-folder', `is ${kind ?? 'nothing'}, a folder was expected`, { file: at });
}
