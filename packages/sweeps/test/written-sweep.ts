/** A sweep file beside a small policy and caches, and its plan. */
import { mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeRunInputs } from '../../trainer/test/small-run.js';
import { planSweep, type SweepPlan } from '../src/index.js';

let folder: Promise<string> | undefined;

/** A folder with `policy`, `cache` and `other` (another cache of that policy). */
async function inputsFolder(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sdpo-sweeps-'));
  const first = await writeRunInputs(12);
  const second = await writeRunInputs(14);
  await symlink(first.policyDirectory, join(directory, 'policy'));
  await symlink(first.cacheDirectory, join(directory, 'cache'));
  await symlink(second.cacheDirectory, join(directory, 'other'));
  return directory;
}

/** Writes lines as a sweep file beside the inputs. */
export async function sweepFile(lines: string | readonly string[], name = 'sweep.yaml'): Promise<string> {
  const file = join(await (folder ??= inputsFolder()), name);
  await writeFile(file, typeof lines === 'string' ? lines : `${lines.join('\n')}\n`);
  return file;
}

/** The plan of a sweep with the small policy and cache. */
export const planOf = async (...lines: string[]): Promise<SweepPlan> =>
  planSweep(await sweepFile(['policy: policy', 'cache: cache', ...lines]));
