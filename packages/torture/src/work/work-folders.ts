/** Folders to work in. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Models and preferences that the command line carries. */
const DEMO = fileURLToPath(new URL('../../../cli/demo', import.meta.url));

export const DEMO_REFERENCE = join(DEMO, 'reference');
export const DEMO_POLICY = join(DEMO, 'policy');
const DEMO_DATA = join(DEMO, 'preferences', 'preferences.jsonl');

/** Rows of the datasets here, in their order: so many pairs, with one row now and then that gives none. */
const PAIRS = 20;
const PAIRS_BETWEEN = 7;

/** Gives one new folder after the other inside another. */
export class WorkFolders {
  private count = 0;

  constructor(private readonly place: string) {}

  /** The path of a folder that is not there yet, in one that is. */
  async next(name: string): Promise<string> {
    const parent = join(this.place, `${this.count++}`);
    await mkdir(parent);
    return join(parent, name);
  }
}

/** Writes a small dataset of the demo's preferences; its rows are the same in every call. */
export async function writePairs(folders: WorkFolders): Promise<string> {
  const lines = (await readFile(DEMO_DATA, 'utf8')).split('\n').slice(0, PAIRS);
  const rows = lines.flatMap((line, i) => {
    const { chosen, ...row } = JSON.parse(line) as { chosen: unknown };
    // Answers that are the same: the row is dropped.
    return i % PAIRS_BETWEEN === 3 ? [line, JSON.stringify({ ...row, chosen, rejected: chosen })] : [line];
  });
  const file = await folders.next('pairs.jsonl');
  await writeFile(file, rows.map((row) => `${row}\n`).join(''));
  return file;
}
