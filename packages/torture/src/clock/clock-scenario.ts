/** A clock that somebody sets back while the work goes, by minutes or years. */
import { SeededRandom } from '@selective-dpo/foundation';
import { countDisturbed } from '../disk/count-disturbed.js';
import { seedFor, type Scenario } from '../scenario.js';
import { openJobs } from '../work/jobs.js';

const TIMES = { short: 1, long: 4 };
const LONGEST_MS = 10 * 365 * 24 * 60 * 60 * 1000;

export const clockScenario: Scenario = {
  name: 'clock',
  meaning: 'a clock that is set back while caches and runs are written',
  async *run(settings) {
    for await (const { job, pool } of openJobs(settings, 'score')) {
      const kind = `${job.name}, clock set back`;
      const random = new SeededRandom(seedFor(settings, kind));
      const disturbance = () => {
        const milliseconds = Math.ceil(LONGEST_MS * random.next() ** 8);
        return { clockBackAt: { at: random.below(job.undisturbed.operations), milliseconds } };
      };
      const times = settings.short ? TIMES.short : TIMES.long;
      const work = { scenario: clockScenario.name, kind, job, pool, times, disturbance, codes: [] };
      yield await countDisturbed(work, settings);
    }
  },
};
