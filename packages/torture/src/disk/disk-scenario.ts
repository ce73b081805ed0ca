/** A disk that is full, turns read-only or fails in the midst of the work, and a folder that somebody removes. */
import { SeededRandom } from '@selective-dpo/foundation';
import { seedFor, type Scenario, type ScenarioSettings } from '../scenario.js';
import type { FailureCode } from '../work/file-system-faults.js';
import type { Job } from '../work/job.js';
import { openJobs } from '../work/jobs.js';
import type { Disturbance, WorkerPool } from '../work/worker-pool.js';
import { countDisturbed, type DisturbedWork } from './count-disturbed.js';
import { countSmallDisks } from './small-disks.js';

const NAME = 'disk';
const TIMES = { short: 1, long: 5 };

/** Failures of the system, what becomes of them, and whether files can still be removed. */
const FAILURES: [what: string, code: FailureCode, codes: string[], leavesNothing: boolean][] = [
  ['disk full', 'ENOSPC', ['disk-full'], true],
  ['beyond the largest file', 'EFBIG', ['file-limit'], true],
  ['turned read-only', 'EROFS', ['read-only'], false],
  ['permission lost', 'EACCES', ['no-permission'], false],
  ['failing disk', 'EIO', ['read-failed'], false],
];

export const diskScenario: Scenario = {
  name: NAME,
  meaning: 'full, read-only and failing disks, writes that are cut short, a folder removed under the work',
  async *run(settings) {
    for await (const { job, pool } of openJobs(settings)) {
      for (const work of disturbances(job, pool, settings)) yield await countDisturbed(work, settings);
      yield await countSmallDisks(NAME, job, pool, settings.short ? TIMES.short : TIMES.long, settings);
    }
  },
};

function* disturbances(job: Job, pool: WorkerPool, settings: ScenarioSettings): Generator<DisturbedWork> {
  const { operations } = job.undisturbed;
  const times = settings.short ? TIMES.short : TIMES.long;
  /** Something at a random operation. */
  const work = (what: string, disturbanceAt: (at: number, out: string) => Disturbance): DisturbedWork => {
    const kind = `${job.name}, ${what}`;
    const random = new SeededRandom(seedFor(settings, kind));
    const disturbance = (out: string) => disturbanceAt(random.below(operations), out);
    return { scenario: NAME, kind, job, pool, times, disturbance };
  };
  for (const [what, code, codes, leavesNothing] of FAILURES) {
    yield { ...work(what, (at) => ({ failFrom: { at, code } })), codes, leavesNothing };
  }
  yield { ...work('writes cut short', () => ({ shortWrites: true })), codes: [], times: 1 };
  const removed = work('folder removed', (at, folder) => ({ removeAt: { at, folder } }));
  yield { ...removed, isLost: job.name === 'cache merge' };
}
