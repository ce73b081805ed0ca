/** A folder of any kind that can be looked at. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, requireFolder } from '@selective-dpo/foundation';
import { INPUTS_FILE, MANIFEST_FILE } from '@selective-dpo/data';
import { runOfFolder } from '@selective-dpo/trainer';
import { RUNS_FOLDER } from '@selective-dpo/sweeps';
import { openCacheSite } from './open-cache.js';
import { openRunSite, type RunSiteOptions } from './open-run.js';
import { openSweepSite } from './open-sweep.js';
import type { Site } from './site.js';

/** What a folder is. @throws InputError `file-not-found`, `not-a-folder`, `nothing-to-inspect`. */
export async function inspectedKind(directory: string): Promise<'cache' | 'run' | 'sweep'> {
  const expected = 'a cache, a run or a sweep';
  await requireFolder(directory, expected);
  const has = async (name: string): Promise<boolean> =>
    (await stat(join(directory, name)).catch(() => undefined)) !== undefined;
  if ((await has(MANIFEST_FILE)) || (await has(INPUTS_FILE))) return 'cache';
  if ((await runOfFolder(directory)) !== undefined) return 'run';
  if (await has(RUNS_FOLDER)) return 'sweep';
  throw new InputError('nothing-to-inspect', 'there is nothing in this folder to look at', {
    file: directory,
    expected,
    hint: 'give what sdpo score, sdpo train or sdpo sweep has written',
  });
}

/**
 * The site of a cache, a run (or a model folder inside one) or a sweep.
 * @throws InputError as {@link inspectedKind}, {@link openCacheSite}, {@link openRunSite}, {@link openSweepSite}.
 */
export async function openSite(directory: string, options: RunSiteOptions): Promise<Site> {
  const kind = await inspectedKind(directory);
  if (kind === 'cache') return openCacheSite(directory, options);
  if (kind === 'sweep') return openSweepSite(directory);
  return openRunSite((await runOfFolder(directory))!, options);
}
