/** Folders to work in. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Models and preferences that the command line carries. */
const DEMO = fileURLToPath(new URL('../../../cli/demo', import.meta.url));

export const DEMO_REFERENCE = join(DEMO, 'reference');
export const DEMO_POLICY = join(DEMO, 'policy');
export const DEMO_DATA = join(DEMO, 'preferences', 'preferences.jsonl');

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
