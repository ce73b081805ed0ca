/** The site of a sweep: the metrics and configurations of all its runs. */
import { basename, join, resolve } from 'node:path';
import { InputError, canonicalJson } from '@selective-dpo/foundation';
import { METRICS_FILE } from '@selective-dpo/trainer';
import { RUNS_FOLDER } from '@selective-dpo/sweeps';
import { SweptRuns, type StandingRun } from '../run/swept-runs.js';
import { SITE_VERSION, type SiteDescription } from '../site-contract.js';
import { jsonFile, optionalFile, type SiteFile } from './site-files.js';
import { SITE_FILE, type Site } from './site.js';

/**
 * Looks at a sweep, finished or not. Its list of runs is the one of now; how each stands is looked at anew at every request.
 * @throws InputError `no-runs`, `run-damaged`, `not-a-folder`.
 */
export async function openSweepSite(directory: string): Promise<Site> {
  const sweep = new SweptRuns(directory);
  const first = await sweep.look();
  if (first.length === 0) {
    throw new InputError('no-runs', 'the sweep has no run yet', {
      file: join(directory, RUNS_FOLDER),
      expected: 'at least one begun run',
    });
  }
  // A run that is to come has its place from the start.
  const places = new Map(first.map(({ id }, i) => [id, `data/sweep/run-${i}/metrics.jsonl`]));
  const folders = new Map<string, string>();
  const look = async (): Promise<StandingRun[]> => {
    const runs = (await sweep.look()).filter(({ id }) => places.has(id));
    for (const { id, folder } of runs) if (folder !== undefined) folders.set(id, folder);
    return runs;
  };
  const described = async (): Promise<SiteDescription> => {
    const runs = await look();
    return {
      version: SITE_VERSION,
      kind: 'sweep',
      title: basename(resolve(directory)),
      sweep: {
        keys: differingKeys(runs),
        runs: runs.map(({ id, name, state, config }) => ({ name, state, config, metrics: places.get(id)! })),
      },
    };
  };
  const files = new Map<string, SiteFile>([[SITE_FILE, jsonFile(described)]]);
  for (const [id, path] of places) {
    const locate = async () => {
      const folder = folders.get(id);
      return folder === undefined ? undefined : optionalFile(folder, METRICS_FILE).locate!();
    };
    files.set(path, { locate });
  }
  return { description: await described(), files };
}

/** Keys whose values differ. Of runs that are to come only some settings are known. */
function differingKeys(runs: readonly StandingRun[]): string[] {
  const keys = [...new Set(runs.flatMap(({ config }) => Object.keys(config)))];
  const values = (key: string) =>
    runs
      .filter(({ folder, config }) => folder !== undefined || Object.hasOwn(config, key))
      .map(({ config }) => canonicalJson(config[key] ?? null));
  return keys.filter((key) => new Set(values(key)).size > 1);
}
