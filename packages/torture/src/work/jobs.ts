/** All work that is disturbed. */
import type { ScenarioSettings } from '../scenario.js';
import { CacheJobs } from './cache-jobs.js';
import type { Job } from './job.js';
import { trainJob } from './train-job.js';
import { WorkFolders } from './work-folders.js';
import { WorkerPool } from './worker-pool.js';

/** Processes that load ahead, where many are needed. */
const AHEAD = 2;

/** A job that is ready, and who does it. */
export interface OpenedJob {
  job: Job;
  pool: WorkerPool;
}

/** Processes for a scenario: in the short form none is started that may not be needed. */
export const openPool = ({ short, folder }: Pick<ScenarioSettings, 'short' | 'folder'>) =>
  new WorkerPool(short ? 0 : AHEAD, folder);

/**
 * Makes one job after the other ready, in folders of their own inside `folder`; at the end no process of theirs is left.
 * @param onlyShort in the short form this job alone.
 */
export async function* openJobs(
  { folder, short }: Pick<ScenarioSettings, 'folder' | 'short'>,
  onlyShort?: 'score' | 'merge',
): AsyncGenerator<OpenedJob> {
  const [pool, folders] = [openPool({ folder, short }), new WorkFolders(folder)];
  const only = short ? onlyShort : undefined;
  try {
    const caches = await CacheJobs.open(pool, folders);
    if (only === 'merge') {
      yield { job: await caches.merge(), pool };
      return;
    }
    const { job, cache } = await caches.score();
    yield { job, pool };
    if (only === 'score') return;
    yield { job: await caches.reuse(), pool };
    yield { job: await caches.merge(), pool };
    yield { job: (await trainJob(pool, folders, cache)).job, pool };
  } finally {
    pool.close();
  }
}
