/** A disk that is full, turns read-only or fails in the midst of the work, and a folder that somebody removes. */
import { SeededRandom } from '@selective-dpo/foundation';
import { seedFor, type Scenario, type ScenarioSettings } from '../scenario.js';
import type { TallyRow } from '../tally.js';
import type { FailureCode } from '../work/file-system-faults.js';
import type { Job } from '../work/job.js';
import { openJobs } from '../work/jobs.js';
import type { Disturbance, WorkerPool } from '../work/worker-pool.js';
import { countDisturbed, type DisturbedWork } from './count-disturbed.js';
import { countSmallDisks } from './small-disks.js';

const NAME = 'disk';
const TIMES = { short: 1, long: 4 };

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
    let which = 0;
    for await (const { job, pool } of openJobs(settings)) {
      const rows = rowsOf(job, pool, settings);
      // In the short form each job meets some of the disks.
      const chosen = settings.short ? rows.filter((_, i) => i % 4 === which % 4) : rows;
      for (const row of chosen) yield await row();
      which++;
    }
  },
};

function rowsOf(job: Job, pool: WorkerPool, settings: ScenarioSettings): (() => Promise<TallyRow>)[] {
  const times = settings.short ? TIMES.short : TIMES.long;
  return [
    ...disturbances(job, pool, times, settings).map((work) => () => countDisturbed(work, settings)),
    () => countSmallDisks(NAME, job, pool, times, settings),
  ];
}

function disturbances(
  job: Job,
  pool: WorkerPool,
  times: number,
  settings: ScenarioSettings,
): DisturbedWork[] {
  /** Something at a random operation. */
  const work = (what: string, disturbanceAt: (at: number, out: string) => Disturbance): DisturbedWork => {
    const kind = `${job.name}, ${what}`;
    const random = new SeededRandom(seedFor(settings, kind));
    const disturbance = (out: string) => disturbanceAt(random.below(job.undisturbed.operations), out);
    return { scenario: NAME, kind, job, pool, times, disturbance };
  };
  const failures = FAILURES.map(([what, code, codes, leavesNothing]) => ({
    ...work(what, (at) => ({ failFrom: { at, code } })),
    ...{ codes, leavesNothing },
  }));
  const removed = work('folder removed', (at, folder) => ({ removeAt: { at, folder } }));
  return [
    ...failures,
    { ...work('writes cut short', () => ({ shortWrites: true })), codes: [], times: 1 },
    { ...removed, isRemoved: true, isLost: job.name === 'cache merge' },
  ];
}
