import { isAbsolute, resolve, sep } from 'node:path';
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
