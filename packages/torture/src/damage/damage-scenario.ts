/** Bits that flip and ends that are missing, in everything that a reader of ours takes up again. */
import type { Scenario, ScenarioSettings } from '../scenario.js';
import { CacheJobs } from '../work/cache-jobs.js';
import { openPool } from '../work/jobs.js';
import { trainJob } from '../work/train-job.js';
import { WorkFolders } from '../work/work-folders.js';
import { cacheTargets } from './cache-targets.js';
import { countDamage, readWhole, type DamageTarget } from './count-damage.js';
import { checkpointTargets } from './checkpoint-targets.js';

/** Of the faults of the long form, the short one tries 1 in so many. */
const SHORTER = 100;

export const damageScenario: Scenario = {
  name: 'damage',
  meaning: 'flipped bits and cuts in caches, checkpoints and manifests',
  async *run(settings) {
    for (const target of await makeTargets(settings)) {
      const { flips, cuts } = target.faults;
      const fewer = { flips: Math.ceil(flips / SHORTER), cuts: Math.ceil(cuts / SHORTER) };
      const chosen = settings.short ? { ...target, faults: fewer } : target;
      const expected = await readWhole(target);
      for (const how of ['flips', 'cuts'] as const) {
        yield await countDamage(damageScenario.name, chosen, how, expected, settings);
      }
    }
  },
};

async function makeTargets(settings: ScenarioSettings): Promise<DamageTarget[]> {
  const [pool, folders] = [openPool(settings), new WorkFolders(settings.folder)];
  try {
    const caches = await CacheJobs.open(pool, folders);
    const { cache } = await caches.score();
    const parts = await caches.filledByWorkers();
    const { run } = await trainJob(pool, folders, cache);
    return [...(await cacheTargets(cache, parts)), ...(await checkpointTargets(run))];
  } finally {
    pool.close();
  }
}
