/** All work that is disturbed. */
import type { Job } from './job.js';
import { mergeJob, reuseJob, scoreJob } from './cache-jobs.js';
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
    const { job: score, cache } = await scoreJob(pool, folders);
    yield { job: score, pool };
    yield { job: await reuseJob(pool, folders), pool };
    yield { job: await mergeJob(pool, folders), pool };
    yield { job: await trainJob(pool, folders, cache), pool };
  } finally {
    pool.close();
  }
}
