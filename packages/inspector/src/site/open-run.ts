/** The site of a training run: its metrics as they come, and its policies on a sample of the cache where that is known. */
import { basename, dirname, resolve } from 'node:path';
import { InputError } from '@selective-dpo/foundation';
import { CacheReader } from '@selective-dpo/data';
import { METRICS_FILE, readRun, type RunIdentity } from '@selective-dpo/trainer';
import { derivedData, type DerivedDataOptions } from '../figures/inspection-folder.js';
import { storePolicies, type PolicySampleOptions, type StoredPolicy } from '../run/policy-sample.js';
import { hasFinal, runPolicies } from '../run/run-policies.js';
import { SITE_VERSION, type SiteDescription } from '../site-contract.js';
import { cacheSite, type CacheSite } from './cache-site.js';
import { folderFile, jsonFile, optionalFile, type SiteFile } from './site-files.js';
import { SITE_FILE, type Site } from './site.js';

export interface RunSiteOptions extends DerivedDataOptions, PolicySampleOptions {
  /** The run's cache: without it there are metrics alone. */
  cacheDirectory?: string | undefined;
  /** Hugging Face directory of the policy before training, whose log-probs are then there, too. */
  policyDirectory?: string | undefined;
}

const METRICS = 'data/run/metrics.jsonl';

/**
 * Looks at a run, finished or not.
 * @throws InputError `cache-differs`, `run-damaged`, and as {@link storePolicies}.
 */
export async function openRunSite(directory: string, options: RunSiteOptions): Promise<Site> {
  const identity = await readRun(directory);
  const files = new Map<string, SiteFile>([[METRICS, optionalFile(directory, METRICS_FILE)]]);
  const seen =
    options.cacheDirectory === undefined
      ? undefined
      : await withCache(options.cacheDirectory, directory, identity, options);
  for (const [path, file] of seen?.cache.files ?? []) files.set(path, file);
  const policies = (seen?.policies ?? []).map(({ name, step, pairs, file: stored }) => {
    const file = `data/policies/${name}.parquet`;
    files.set(file, folderFile(dirname(stored), basename(stored)));
    return { name, step, file, pairs };
  });
  const described = async (): Promise<SiteDescription> => ({
    version: SITE_VERSION,
    kind: 'run',
    title: basename(resolve(directory)),
    ...(seen === undefined ? {} : { cache: seen.cache.description }),
    run: { config: { ...identity.config }, metrics: METRICS, finished: await hasFinal(directory), policies },
  });
  files.set(SITE_FILE, jsonFile(described));
  return { description: await described(), files };
}

async function withCache(
  cacheDirectory: string,
  directory: string,
  identity: RunIdentity,
  options: RunSiteOptions,
): Promise<{ cache: CacheSite; policies: StoredPolicy[] }> {
  const reader = await CacheReader.open(cacheDirectory);
  try {
    refuseOtherCache(reader, identity, cacheDirectory);
    const policies = await runPolicies(directory, options.policyDirectory);
    // A run's models have the tokenizer that the cache was made with.
    const tokenizerDirectory = options.tokenizerDirectory ?? policies.at(-1)?.directory;
    const derived = await derivedData(reader, { ...options, tokenizerDirectory });
    const stored = await storePolicies({ directory, identity }, reader, policies, options);
    return { cache: cacheSite(reader, derived), policies: stored };
  } finally {
    await reader.close();
  }
}

function refuseOtherCache({ manifest }: CacheReader, identity: RunIdentity, file: string): void {
  if (manifest.digest === identity.cacheManifestSha256) return;
  throw new InputError('cache-differs', 'the run was trained from another cache', {
    file,
    found: `cache ${manifest.digest.slice(0, 12)}`,
    expected: `cache ${identity.cacheManifestSha256.slice(0, 12)}`,
    hint: 'give the cache that the run was trained from',
  });
}
