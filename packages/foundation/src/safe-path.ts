import { realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { InputError, quoteValue } from './errors.js';

/**
 * Resolves a name that came from a file (manifest, model index) inside `root`.
 * @throws InputError `path-outside-folder` if it is absolute, empty, or leaves the folder.
 */
export function resolveInside(root: string, name: string, source: string): string {
  const base = resolve(root);
  const path = resolve(base, name);
  if (
    name === '' ||
    name.includes('\0') ||
    isAbsolute(name) ||
    name.includes('\\') ||
    !path.startsWith(base + sep)
  ) {
    throw new InputError('path-outside-folder', 'a file name leads out of its folder', {
      file: source,
      found: quoteValue(name),
      expected: 'a relative name inside the same folder',
      hint: 'do not use this file unless you trust where it comes from',
    });
  }
  return path;
}

/**
 * Refuses an output folder that lies inside an input folder (links followed): what is written there would change what was
 * read.
 * @throws InputError `output-inside-input`.
 */
export async function refuseInside(output: string, input: string): Promise<void> {
  const [inner, outer] = [await realPathOf(output), await realPathOf(input)];
  if (inner !== outer && !inner.startsWith(outer + sep)) return;
  throw new InputError('output-inside-input', 'the output folder lies inside an input folder', {
    file: output,
    found: `a folder inside ${input}`,
    hint: 'choose another --out',
  });
}

/** The real path of what is there, with the names that are not there yet behind it. */
async function realPathOf(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(await realPathOf(parent), basename(absolute));
  }
}
