/** What stands in a folder under the names that readers look for. */
import { readFile, readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { LOCK_FILE, TEMPORARY_SUFFIX, sha256 } from '@selective-dpo/foundation';

/** SHA-256 of files by their names in a folder, with `/`. */
export type Digests = ReadonlyMap<string, string>;

/** Digests of all files below a folder but locks and what was still being written; none where there is no folder. */
export async function publishedFiles(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const visit = async (directory: string): Promise<void> => {
    const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (isUnpublished(entry.name)) continue;
      const path = join(directory, entry.name);
      if (entry.isDirectory()) await visit(path);
      else files.set(relative(folder, path).split(sep).join('/'), sha256(await readFile(path)));
    }
  };
  await visit(folder);
  return files;
}

/** Bytes of all files below a folder, of any name. */
export async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder, { recursive: true })) {
    const found = await stat(join(folder, name));
    if (found.isFile()) bytes += found.size;
  }
  return bytes;
}

/** Names of what was still being written, in a folder and those below. */
export async function temporaries(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.filter((name) => name.endsWith(TEMPORARY_SUFFIX));
}

function isUnpublished(name: string): boolean {
  return name === LOCK_FILE || (name.startsWith('.') && name.endsWith(TEMPORARY_SUFFIX));
}

/** A state that is neither the one before nor the one after. */
export class MixedState extends Error {
  override readonly name = 'MixedState';
}

/** @throws MixedState for a file whose content is not the one that was published under its name. */
export function refuseOtherFiles(found: Digests, published: Digests): void {
  for (const [name, digest] of found) {
    if (published.get(name) === digest) continue;
    throw new MixedState(`${name} ${published.has(name) ? 'has other content' : 'should not be there'}`);
  }
}

/** The first name that differs between two folders; undefined where they hold the same. */
export function firstDifference(found: Digests, expected: Digests): string | undefined {
  return [...new Set([...found.keys(), ...expected.keys()])].find(
    (name) => found.get(name) !== expected.get(name),
  );
}
