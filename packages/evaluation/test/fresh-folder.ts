import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An empty folder of its own. */
export const freshFolder = () => mkdtemp(join(tmpdir(), 'sdpo-evaluation-'));

/** Writes a file of lines, each a value as JSON or a text as it is, and returns its path. */
export async function writeLines(lines: readonly unknown[], name = 'lines.jsonl'): Promise<string> {
  const file = join(await freshFolder(), name);
  const text = (line: unknown) => (typeof line === 'string' ? line : JSON.stringify(line));
  await writeFile(file, lines.map((line) => `${text(line)}\n`).join(''));
  return file;
}
