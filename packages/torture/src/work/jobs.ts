/** All work that is disturbed. */
import type { Job } from './job.js';
import { CacheJobs } from './cache-jobs.js';
import { trainJob } from './train-job.js';
import { WorkFolders } from './work-folders.js';
import { WorkerPool } from './worker-pool.js';

/** Makes one job after the other ready, in folders of their own inside `folder`; at the end no process of theirs is left. */
export async function* openJobs({
  folder,
}: {
  folder: string;
}): AsyncGenerator<{ job: Job; pool: WorkerPool }> {
  const [pool, folders] = [new WorkerPool(), new WorkFolders(folder)];
  try {
    const caches = await CacheJobs.open(pool, folders);
    const { job, cache } = await caches.score();
    yield { job, pool };
    yield { job: await caches.reuse(), pool };
    yield { job: await caches.merge(), pool };
    yield { job: (await trainJob(pool, folders, cache)).job, pool };
  } finally {
    pool.close();
  }
}
