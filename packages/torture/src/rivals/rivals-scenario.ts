/** Two processes at one cache or one run, from about the same moment on; in half of the cases one of them is killed. */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Interrupted, ProgressMeter, SeededRandom } from '@selective-dpo/foundation';
import { countGoingOn } from '../disk/count-disturbed.js';
import { seedFor, type Scenario, type ScenarioSettings } from '../scenario.js';
import { Tally, type Outcome, type TallyRow } from '../tally.js';
import type { Job } from '../work/job.js';
import { openJobs } from '../work/jobs.js';
import type { Disturbance, Ending, WorkerPool } from '../work/worker-pool.js';

const NAME = 'rivals';
const TIMES = { short: 1, long: 8 };
/** What the one that comes second is told. */
const BUSY = ['cache-busy', 'run-busy'];

export const rivalsScenario: Scenario = {
  name: NAME,
  meaning: 'two processes at one cache or run, some of them killed',
  async *run(settings) {
    for await (const { job, pool } of openJobs(settings, 'merge'))
      yield await countRivals(job, pool, settings);
  },
};

async function countRivals(job: Job, pool: WorkerPool, settings: ScenarioSettings): Promise<TallyRow> {
  const tally = new Tally(NAME, `${job.name}, two at once`);
  const random = new SeededRandom(seedFor(settings, tally.kind));
  const times = settings.short ? TIMES.short : TIMES.long;
  const meter = new ProgressMeter(`${NAME}: ${tally.kind}`, 'times', times);
  for (let i = 0; i < times; i++) {
    if (settings.signal.aborted) throw new Interrupted('stopped', 'run the same command again');
    const out = await job.begin();
    const length = 1000 * job.undisturbed.seconds;
    const delay = i % 4 < 2 ? 0 : length * random.next();
    const disturbance = i % 2 === 0 ? {} : { killAfter: length * random.next() };
    const fault = `the second after ${delay} ms, the first ${JSON.stringify(disturbance)}`;
    const endings = await atOnce(job, pool, out, delay, disturbance);
    const [outcome, found] = await outcomeOf(job, out, endings);
    tally.count(outcome, `${found}, ${fault}`);
    await countGoingOn(tally, { job, pool }, out, fault);
    await rm(dirname(out), { recursive: true });
    settings.listener(meter.advance(1));
  }
  return tally.row();
}

async function atOnce(
  job: Job,
  pool: WorkerPool,
  out: string,
  delay: number,
  disturbance: Disturbance,
): Promise<Ending[]> {
  const second = async () => {
    await setTimeout(delay);
    return pool.run(job.request(out));
  };
  return Promise.all([pool.run(job.request(out), disturbance), second()]);
}

/** `right`: both came to the end, one after the other. `refused`: one was told of the other. `old` or `new`: one was killed. */
async function outcomeOf(job: Job, out: string, endings: Ending[]): Promise<[Outcome, string]> {
  const bad = endings.find(
    (ending) =>
      ending.type === 'defect' ||
      (ending.type === 'refused' && !ending.codes.every((code) => BUSY.includes(code))),
  );
  if (bad !== undefined) return ['wrong', 'message' in bad ? bad.message : bad.type];
  const types = endings.map(({ type }) => type);
  try {
    const state = await job.stateOf(out);
    if (types.includes('killed')) return [state === 0 ? 'old' : 'new', ''];
    if (state !== job.undisturbed.state) return ['mixed', `${types.join(' and ')}, ${state} published`];
    return [types.includes('refused') ? 'refused' : 'right', ''];
  } catch (error) {
    return ['mixed', String(error)];
  }
}
