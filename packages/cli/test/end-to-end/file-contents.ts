import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Names and bytes of every file below a folder; no two have one name. */
export async function contents(directory: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    files[entry.name] = (await readFile(join(entry.parentPath, entry.name))).toString('base64');
  }
  return files;
}
