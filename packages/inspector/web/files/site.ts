/** A site's own description, checked before anything follows it. */
import { SITE_VERSION, SWEPT_RUN_STATES, type SiteDescription } from '../../src/site-contract.js';
import { isObject, readJson } from './json-file.js';
import type { SiteFiles } from './site-files.js';
import { SiteProblem } from './site-problem.js';

export const SITE_FILE = 'data/site.json';

/** @throws SiteProblem where the folder is no site or one of another version. */
export async function readSite(files: SiteFiles): Promise<SiteDescription> {
  const site = await readJson(files, SITE_FILE);
  if (site['version'] !== SITE_VERSION) {
    throw new SiteProblem(
      `this site is of version ${String(site['version'])}, and the page reads version ${SITE_VERSION}`,
      'Make the site again with the sdpo that is installed now.',
    );
  }
  if (typeof site['title'] !== 'string') throw odd('title');
  if (site['cache'] !== undefined) checkCache(site['cache']);
  if (site['run'] !== undefined) checkRun(site['run']);
  if (site['sweep'] !== undefined) checkSweep(site['sweep']);
  return site as unknown as SiteDescription;
}

function checkCache(cache: unknown): void {
  if (!isObject(cache) || !Array.isArray(cache['shards'])) throw odd('cache');
  // A sample leaves rows out; none comes twice.
  let next = 0;
  for (const shard of cache['shards'] as unknown[]) {
    const sound =
      isObject(shard) &&
      [shard['firstRow'], shard['rows'], shard['bytes']].every(
        (count) => Number.isSafeInteger(count) && Number(count) >= 0,
      ) &&
      Number(shard['firstRow']) >= next &&
      typeof shard['file'] === 'string';
    if (!sound) throw odd('cache.shards');
    next = Number(shard['firstRow']) + Number(shard['rows']);
  }
  if (!Number.isSafeInteger(cache['rows']) || next > Number(cache['rows'])) throw odd('cache.rows');
  for (const name of ['overview', 'pairs', 'manifest'])
    if (typeof cache[name] !== 'string') throw odd(`cache.${name}`);
}

function checkRun(run: unknown): void {
  if (!isObject(run) || typeof run['metrics'] !== 'string' || !isObject(run['config'])) throw odd('run');
  const policies = Array.isArray(run['policies']) ? (run['policies'] as unknown[]) : [undefined];
  for (const policy of policies) {
    const sound =
      isObject(policy) && typeof policy['name'] === 'string' && typeof policy['file'] === 'string';
    if (!sound || typeof policy['step'] !== 'number') throw odd('run.policies');
  }
}

function checkSweep(sweep: unknown): void {
  if (!isObject(sweep) || !Array.isArray(sweep['runs']) || !Array.isArray(sweep['keys'])) throw odd('sweep');
  for (const key of sweep['keys'] as unknown[]) if (typeof key !== 'string') throw odd('sweep.keys');
  const states: readonly unknown[] = SWEPT_RUN_STATES;
  for (const run of sweep['runs'] as unknown[]) {
    const sound = isObject(run) && typeof run['name'] === 'string' && typeof run['metrics'] === 'string';
    if (!sound || !isObject(run['config']) || !states.includes(run['state'])) throw odd('sweep.runs');
  }
}

function odd(field: string): SiteProblem {
  return new SiteProblem(`${SITE_FILE} is damaged: ${field}`, 'Make the site again.');
}
