/** The site of a sweep: the metrics and configurations of all its runs. */
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { InputError, canonicalJson, explainSystemError, refuseLinkedFolder } from '@selective-dpo/foundation';
import { METRICS_FILE, readRun, type TrainingConfig } from '@selective-dpo/trainer';
import { RUNS_FOLDER, runNameOf } from '@selective-dpo/sweeps';
import { hasFinal } from '../run/run-policies.js';
import { SITE_VERSION, type SiteDescription, type SweptRunDescription } from '../site-contract.js';
import { jsonFile, optionalFile, type SiteFile } from './site-files.js';
import { SITE_FILE, type Site } from './site.js';

interface FoundRun {
  folder: string;
  config: TrainingConfig;
  cache: string;
}

/** Looks at a sweep, finished or not. @throws InputError `no-runs`, `run-damaged`, `not-a-folder`. */
export async function openSweepSite(directory: string): Promise<Site> {
  const runs = await foundRuns(join(directory, RUNS_FOLDER));
  const names = namesOf(runs);
  const files = new Map<string, SiteFile>();
  const metricsOf = (i: number) => `data/sweep/run-${i}/metrics.jsonl`;
  runs.forEach(({ folder }, i) => files.set(metricsOf(i), optionalFile(folder, METRICS_FILE)));
  const keys = differingKeys(runs.map((run) => configOf(run)));
  const described = async (): Promise<SiteDescription> => ({
    version: SITE_VERSION,
    kind: 'sweep',
    title: basename(resolve(directory)),
    sweep: {
      keys,
      runs: await Promise.all(
        runs.map(async (run, i): Promise<SweptRunDescription> => ({
          name: names[i]!,
          state: (await hasFinal(run.folder)) ? 'finished' : 'unfinished',
          config: configOf(run),
          metrics: metricsOf(i),
        })),
      ),
    },
  });
  files.set(SITE_FILE, jsonFile(described));
  return { description: await described(), files };
}

async function foundRuns(root: string): Promise<FoundRun[]> {
  await refuseLinkedFolder(root);
  let names: string[];
  try {
    names = (await readdir(root)).sort();
  } catch (error) {
    throw explainSystemError(error, root);
  }
  const runs: FoundRun[] = [];
  for (const name of names) {
    const folder = join(root, name);
    try {
      const { config, cacheManifestSha256 } = await readRun(folder);
      runs.push({ folder, config, cache: cacheManifestSha256.slice(0, 12) });
    } catch (error) {
      // A run that has not begun, or something else.
      if (!(error instanceof InputError && ['file-not-found', 'not-a-folder'].includes(error.code)))
        throw error;
    }
  }
  if (runs.length > 0) return runs;
  throw new InputError('no-runs', 'the sweep has no run yet', {
    file: root,
    expected: 'at least one begun run',
  });
}

/** A run's configuration; the cache counts as a key, since a sweep may have several references. */
function configOf({ config, cache }: FoundRun): Record<string, unknown> {
  return { ...config, cache };
}

function differingKeys(configs: readonly Record<string, unknown>[]): string[] {
  const keys = [...new Set(configs.flatMap((config) => Object.keys(config)))];
  return keys.filter((key) => new Set(configs.map((config) => canonicalJson(config[key] ?? null))).size > 1);
}

/** Without the keys of their folders, unless two then have one name. */
function namesOf(runs: readonly FoundRun[]): string[] {
  const folders = runs.map(({ folder }) => basename(folder));
  const names = folders.map(runNameOf);
  return names.map((name, i) => (names.indexOf(name) === names.lastIndexOf(name) ? name : folders[i]!));
}
