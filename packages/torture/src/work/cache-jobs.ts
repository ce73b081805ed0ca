/** The ways to a cache: scoring, closing what workers have filled, growing from an earlier one. */
import { cp } from 'node:fs/promises';
import type { ScoreOptions } from '@selective-dpo/ref-scorer';
import { cacheStateIn, filesOnTheWay } from '../state/cache-state.js';
import { MixedState, firstDifference, publishedFiles } from '../state/published-files.js';
import { doUndisturbed, jobOf, type Job } from './job.js';
import { DEMO_REFERENCE, writePairs, type WorkFolders } from './work-folders.js';
import type { WorkRequest } from './work-request.js';
import type { WorkerPool } from './worker-pool.js';

const ROWS_PER_SHARD = 4;
/** Rows of the dataset that the cache holds from which another one grows: 3 whole shards, and a part of one. */
const EARLIER_ROWS = 15;
const WORKERS = 2;

/** Ways to a cache of one small dataset. */
export class CacheJobs {
  private constructor(
    private readonly pool: WorkerPool,
    private readonly folders: WorkFolders,
    private readonly dataFile: string,
  ) {}

  static async open(pool: WorkerPool, folders: WorkFolders): Promise<CacheJobs> {
    return new CacheJobs(pool, folders, await writePairs(folders));
  }

  /** `sdpo score`; and the cache that it makes where nothing disturbs it. */
  async score(): Promise<{ job: Job; cache: string }> {
    const cache = await this.folders.next('cache');
    const cost = await doUndisturbed(this.pool, this.scoring(cache));
    const published = await filesOnTheWay(cache);
    const work = {
      ...{ name: 'score', begin: () => this.folders.next('cache'), resultOf: publishedFiles },
      request: (out: string) => this.scoring(out),
      stateOf: (out: string) => cacheStateIn(out, published),
    };
    return { job: await jobOf(work, cache, cost), cache };
  }

  /** `sdpo score --reuse`: the way a cache grows. The earlier cache must stay what it is. */
  async reuse(): Promise<Job> {
    const { folders, pool } = this;
    const [earlier, whole] = [await folders.next('earlier'), await folders.next('cache')];
    const request = (out: string) => this.scoring(out, { reuseDirectory: earlier });
    await doUndisturbed(pool, this.scoring(earlier, { limit: EARLIER_ROWS }));
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
  async merge(): Promise<Job> {
    const parts = await this.filledByWorkers();
    const filled = await publishedFiles(parts);
    const begin = async () => {
      const out = await this.folders.next('cache');
      await cp(parts, out, { recursive: true });
      return out;
    };
    const request = (directory: string): WorkRequest => ({ work: 'merge', options: { directory } });
    const whole = await begin();
    const cost = await doUndisturbed(this.pool, request(whole));
    const published = new Map([...filled, ...(await filesOnTheWay(whole))]);
    const stateOf = (out: string) => cacheStateIn(out, published);
    return jobOf({ name: 'cache merge', begin, request, stateOf, resultOf: publishedFiles }, whole, cost);
  }

  /** A cache that two workers have filled and nobody has closed. */
  async filledByWorkers(): Promise<string> {
    const parts = await this.folders.next('cache');
    for (let index = 0; index < WORKERS; index++) {
      await doUndisturbed(this.pool, this.scoring(parts, { worker: { index, count: WORKERS } }));
    }
    return parts;
  }

  private scoring(outDirectory: string, change: Partial<ScoreOptions> = {}): WorkRequest {
    const { dataFile } = this;
    const inputs = { modelDirectory: DEMO_REFERENCE, dataFile, outDirectory, engine: 'wasm' } as const;
    return { work: 'score', options: { ...inputs, rowsPerShard: ROWS_PER_SHARD, ...change } };
  }
}
