/** The ways to a cache: scoring, closing what workers have filled, growing from an earlier one. */
import { cp } from 'node:fs/promises';
import type { ScoreOptions } from '@selective-dpo/ref-scorer';
import { cacheStateIn, filesOnTheWay } from '../state/cache-state.js';
import { MixedState, firstDifference, publishedFiles } from '../state/published-files.js';
import { doUndisturbed, jobOf, type Job } from './job.js';
import { DEMO_DATA, DEMO_REFERENCE, type WorkFolders } from './work-folders.js';
import type { WorkRequest } from './work-request.js';
import type { WorkerPool } from './worker-pool.js';

/** In 10 shards. */
const PAIRS = 20;
const ROWS_PER_SHARD = 2;
/** Of the cache that another one grows from: 6 whole shards, and half of one. */
const EARLIER_PAIRS = 13;
const WORKERS = 2;

const scoring = (outDirectory: string, change: Partial<ScoreOptions> = {}): WorkRequest => ({
  work: 'score',
  options: {
    ...{ modelDirectory: DEMO_REFERENCE, dataFile: DEMO_DATA, outDirectory, engine: 'wasm' },
    ...{ limit: PAIRS, rowsPerShard: ROWS_PER_SHARD },
    ...change,
  },
});

/** `sdpo score`; and the cache that it makes where nothing disturbs it. */
export async function scoreJob(pool: WorkerPool, folders: WorkFolders): Promise<{ job: Job; cache: string }> {
  const cache = await folders.next('cache');
  const cost = await doUndisturbed(pool, scoring(cache));
  const published = await filesOnTheWay(cache);
  const work = {
    name: 'score',
    begin: () => folders.next('cache'),
    request: (out: string) => scoring(out),
    stateOf: (out: string) => cacheStateIn(out, published),
    resultOf: publishedFiles,
  };
  return { job: await jobOf(work, cache, cost), cache };
}

/** `sdpo score --reuse`: the way a cache grows. The earlier cache must stay what it is. */
export async function reuseJob(pool: WorkerPool, folders: WorkFolders): Promise<Job> {
  const [earlier, whole] = [await folders.next('earlier'), await folders.next('cache')];
  const request = (out: string) => scoring(out, { reuseDirectory: earlier });
  await doUndisturbed(pool, scoring(earlier, { limit: EARLIER_PAIRS }));
  const cost = await doUndisturbed(pool, request(whole));
  const [before, published] = [await publishedFiles(earlier), await filesOnTheWay(whole)];
  const stateOf = async (out: string) => {
    const changed = firstDifference(await publishedFiles(earlier), before);
    if (changed !== undefined) throw new MixedState(`${changed} of the earlier cache was changed`);
    return cacheStateIn(out, published);
  };
  const begin = () => folders.next('cache');
  return jobOf({ name: 'score --reuse', begin, request, stateOf, resultOf: publishedFiles }, whole, cost);
}

/** `sdpo cache merge` of what two workers have filled. */
export async function mergeJob(pool: WorkerPool, folders: WorkFolders): Promise<Job> {
  const parts = await folders.next('cache');
  for (let index = 0; index < WORKERS; index++) {
    await doUndisturbed(pool, scoring(parts, { worker: { index, count: WORKERS } }));
  }
  const filled = await publishedFiles(parts);
  const begin = async () => {
    const out = await folders.next('cache');
    await cp(parts, out, { recursive: true });
    return out;
  };
  const request = (directory: string): WorkRequest => ({ work: 'merge', directory });
  const whole = await begin();
  const cost = await doUndisturbed(pool, request(whole));
  const published = new Map([...filled, ...(await filesOnTheWay(whole))]);
  const stateOf = (out: string) => cacheStateIn(out, published);
  return jobOf({ name: 'cache merge', begin, request, stateOf, resultOf: publishedFiles }, whole, cost);
}
