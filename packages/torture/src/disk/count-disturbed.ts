/** Disturbs a job once a folder and counts how it ends, and what it comes to when nothing disturbs it any more. */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Interrupted, ProgressMeter } from '@selective-dpo/foundation';
import type { ScenarioSettings } from '../scenario.js';
import { firstDifference, temporaries } from '../state/published-files.js';
import { Tally, type Outcome, type TallyRow } from '../tally.js';
import type { Job } from '../work/job.js';
import type { Disturbance, Ending, WorkerPool } from '../work/worker-pool.js';

/** Where the work is done. */
export interface Place {
  /** As {@link Job.begin}. */
  begin(): Promise<string>;
  /** Takes away what disturbed the work in `out`. */
  relieve(out: string): Promise<void>;
  end(out: string): Promise<void>;
}

export interface DisturbedWork {
  scenario: string;
  kind: string;
  job: Job;
  pool: WorkerPool;
  times: number;
  /** What is done to the work in the folder `out`. */
  disturbance: (out: string) => Disturbance;
  /** Codes of the typed errors that it may end with; undefined: any. */
  codes?: readonly string[];
  /** Nothing half-written may be left, since removing it was possible. */
  leavesNothing?: boolean;
  /** Folders like any other, unless it is said. */
  place?: Place;
  /** The folder is removed: behind the last thing that is published, the work ends well, and nothing is there. */
  isRemoved?: boolean;
  /** With the folder that is gone, so is what the work could begin from. */
  isLost?: boolean;
}

/** @throws Interrupted. */
export async function countDisturbed(
  work: DisturbedWork,
  { signal, listener }: Pick<ScenarioSettings, 'signal' | 'listener'>,
): Promise<TallyRow> {
  const tally = new Tally(work.scenario, work.kind);
  const meter = new ProgressMeter(`${work.scenario}: ${work.kind}`, 'times', work.times);
  for (let i = 0; i < work.times; i++) {
    if (signal.aborted) throw new Interrupted('stopped', 'run the same command again');
    const { job, pool, place = ordinary(job) } = work;
    const out = await place.begin();
    const disturbance = work.disturbance(out);
    const ending = await pool.run(job.request(out), disturbance);
    const fault = JSON.stringify(disturbance);
    const [outcome, found] = await outcomeOf(work, ending, out);
    tally.count(outcome, `${found}, ${fault}`);
    await place.relieve(out);
    if (ending.type !== 'done' && work.isLost !== true) await countGoingOn(tally, work, out, fault);
    await place.end(out);
    listener(meter.advance(1));
  }
  return tally.row();
}

const ordinary = (job: Job): Place => ({
  begin: () => job.begin(),
  relieve: () => Promise.resolve(),
  end: (out) => rm(dirname(out), { recursive: true }),
});

async function outcomeOf(work: DisturbedWork, ending: Ending, out: string): Promise<[Outcome, string]> {
  if (ending.type === 'killed') return ['wrong', 'it was killed'];
  if (ending.type === 'defect') return ['wrong', ending.message];
  if (ending.type === 'done') {
    const found = await work.job.resultOf(out);
    if (work.isRemoved === true && found.size === 0) return ['old', ''];
    const different = firstDifference(found, work.job.undisturbed.result);
    return different === undefined ? ['right', ''] : ['wrong', `it ended well with another ${different}`];
  }
  const other = ending.codes.find((code) => work.codes?.includes(code) === false);
  if (other !== undefined) return ['wrong', `${other}: ${ending.message}`];
  try {
    await work.job.stateOf(out);
  } catch (error) {
    return ['mixed', String(error)];
  }
  const [left] = work.leavesNothing === true ? await temporaries(out) : [];
  return left === undefined ? ['refused', ''] : ['mixed', `${left} was left`];
}

/** The same command again, in the same folder. */
export async function countGoingOn(
  tally: Tally,
  { job, pool }: Pick<DisturbedWork, 'job' | 'pool'>,
  out: string,
  fault: string,
): Promise<void> {
  const ending = await pool.run(job.request(out));
  const different =
    ending.type === 'done'
      ? firstDifference(await job.resultOf(out), job.undisturbed.result)
      : 'message' in ending
        ? ending.message
        : ending.type;
  tally.countResumed(different === undefined, `${different}, after ${fault}`);
}
