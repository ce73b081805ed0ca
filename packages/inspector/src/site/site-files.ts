/**
 * The files of a site by their path in it. What is not in the list does not exist: a path of a request is only ever looked up, never
 * joined to a folder.
 */
import { lstat, readFile, readdir, realpath } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { InputError, explainSystemError, openRegularFile, quoteValue } from '@selective-dpo/foundation';
import { checkedPath, verifiedPath, type CacheFile } from '@selective-dpo/data';

export interface SiteFile {
  /**
   * Where it lies on this machine, looked at anew each time; undefined for a file that is not there yet, and so empty.
   * @throws InputError where it is not a regular file of its folder.
   */
  locate?: () => Promise<string | undefined>;
  /** In place of a file: made at every request. */
  make?: () => Promise<Uint8Array>;
  /** SHA-256 of the content, where it is known and never changes. */
  sha256?: string | undefined;
  /** Reads all of it through, and throws where it is not what it should be: before it is copied elsewhere. */
  verify?: () => Promise<unknown>;
}

/** By path: names with `/` between them, none before the first. */
export type SiteFiles = ReadonlyMap<string, SiteFile>;

/** A file in a folder that no link leads out of. @param name with `/` between folders. */
export function folderFile(folder: string, name: string, sha256?: string): SiteFile {
  return { locate: () => pathInside(folder, name), sha256 };
}

/** A file of a folder that may not be there yet: empty until it is. */
export function optionalFile(folder: string, name: string): SiteFile {
  const present = folderFile(folder, name);
  const locate = async (): Promise<string | undefined> => {
    try {
      return await present.locate!();
    } catch (error) {
      if (error instanceof InputError && error.code === 'file-not-found') return undefined;
      throw error;
    }
  };
  return { locate };
}

/** A file that a cache's manifest names. */
export function cacheFile(cache: string, file: CacheFile): SiteFile {
  return {
    locate: () => checkedPath(cache, file),
    verify: () => verifiedPath(cache, file),
    sha256: file.sha256,
  };
}

/** JSON that is made at every request. */
export function jsonFile(value: () => object | Promise<object>): SiteFile {
  return { make: async () => new TextEncoder().encode(JSON.stringify(await value())) };
}

/** Bytes that are at hand. */
export function fixedFile(bytes: Uint8Array): SiteFile {
  return { make: () => Promise.resolve(bytes) };
}

/** All regular files of a folder, by their path in it; links are left out. @throws InputError of the file system. */
export async function filesOfFolder(folder: string): Promise<Map<string, SiteFile>> {
  const files = new Map<string, SiteFile>();
  let entries;
  try {
    entries = await readdir(folder, { withFileTypes: true, recursive: true });
  } catch (error) {
    throw explainSystemError(error, folder);
  }
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const name = relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/');
    files.set(name, folderFile(folder, name));
  }
  return files;
}

/** The bytes of a small file of a site. @throws InputError as `locate`, and of the file system. */
export async function contentOf(file: SiteFile): Promise<Uint8Array> {
  if (file.make !== undefined) return file.make();
  const path = await file.locate!();
  return path === undefined ? new Uint8Array(0) : readFile(path);
}

/** The first bytes of a file that is there, at most so many. @throws as {@link contentOf}. */
export async function headOf(file: SiteFile, bytes: number): Promise<Uint8Array> {
  const { handle } = await openRegularFile((await file.locate!())!);
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function pathInside(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  try {
    const real = await realpath(path);
    if (real === join(await realpath(folder), name) && (await lstat(real)).isFile()) return path;
  } catch (error) {
    throw explainSystemError(error, path);
  }
  throw new InputError('not-a-file', 'is not a regular file of its own folder', {
    file: path,
    found: quoteValue(name),
  });
}
