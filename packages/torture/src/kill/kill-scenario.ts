/** SIGKILL at random moments of everything that publishes, and in the midst of random operations of the file system. */
import { SeededRandom } from '@selective-dpo/foundation';
import { seedFor, type Scenario } from '../scenario.js';
import type { Measure } from '../work/job.js';
import { openJobs } from '../work/jobs.js';
import type { Disturbance } from '../work/worker-pool.js';
import { countKills } from './count-kills.js';

const KILLS = { time: { short: 2, long: 160 }, operation: { short: 2, long: 40 } };

/** A moment of undisturbed work, of which the share `left` is still to be done. */
type MomentOf = (undisturbed: Measure, left: number, random: SeededRandom) => Disturbance;

const MOMENTS: [how: string, kills: { short: number; long: number }, momentOf: MomentOf][] = [
  [
    'at a random time',
    KILLS.time,
    ({ seconds }, left, random) => ({ killAfter: 1000 * seconds * left * random.next() }),
  ],
  [
    'in a random operation',
    KILLS.operation,
    ({ operations }, left, random) => ({ killAt: random.below(Math.ceil(operations * left)) }),
  ],
];

export const killScenario: Scenario = {
  name: 'kill',
  meaning: 'SIGKILL while caches and runs are written: what is read then, and gone on to',
  async *run(settings) {
    for await (const { job, pool } of openJobs(settings)) {
      for (const [how, kills, momentOf] of MOMENTS) {
        const kind = `${job.name}, ${how}`;
        const random = new SeededRandom(seedFor(settings, kind));
        const plan = {
          ...{ scenario: killScenario.name, kind, job, pool },
          kills: settings.short ? kills.short : kills.long,
          moment: (left: number) => momentOf(job.undisturbed, left, random),
        };
        yield await countKills(plan, settings);
      }
    }
  },
};
