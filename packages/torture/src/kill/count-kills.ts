/** Kills a job again and again and counts what is found after each kill. */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Interrupted, ProgressMeter } from '@selective-dpo/foundation';
import type { ScenarioSettings } from '../scenario.js';
import { firstDifference } from '../state/published-files.js';
import { Tally, type TallyRow } from '../tally.js';
import type { Job } from '../work/job.js';
import type { Disturbance, Ending, WorkerPool } from '../work/worker-pool.js';

/** After so many kills in one folder the next process is left alone, unless it is said otherwise. */
const KILLS_OF_ONE_FOLDER = 6;
/** Share of the work that the next process does at least: it begins by reading what there is. */
const LEAST_LEFT = 0.15;

/** Bad outcomes after which enough is known. */
const MOST_BAD = 10;

export interface KillPlan {
  scenario: string;
  kind: string;
  job: Job;
  pool: WorkerPool;
  kills: number;
  killsOfOneFolder?: number;
  /** The next kill, in work of which the share `left` is still to be done. */
  moment: (left: number) => Disturbance;
}

/**
 * Each process goes on with what the killed one before has left, until one comes to the end, which is held against undisturbed work; then
 * another folder is begun.
 * @throws Interrupted.
 */
export async function countKills(
  plan: KillPlan,
  { signal, listener }: Pick<ScenarioSettings, 'signal' | 'listener'>,
): Promise<TallyRow> {
  const { killsOfOneFolder = KILLS_OF_ONE_FOLDER } = plan;
  const tally = new Tally(plan.scenario, plan.kind);
  const meter = new ProgressMeter(`${plan.scenario}: ${plan.kind}`, 'kills', plan.kills);
  // What fails every time would never be killed often enough.
  for (let killed = 0, ended = 0; killed < plan.kills && tally.bad < MOST_BAD; ended++) {
    if (ended > 10 + plan.kills) throw new RangeError('kills come behind the end of the work');
    const chain = new KilledWork(plan, tally, await plan.job.begin());
    await chain.begin();
    while (!chain.isEnded) {
      if (signal.aborted) throw new Interrupted('stopped', 'run the same command again');
      const isKilled = await chain.next(killed < plan.kills && chain.kills < killsOfOneFolder);
      if (!isKilled) continue;
      killed++;
      listener(meter.advance(1));
    }
  }
  return tally.row();
}

/** One folder that process after process works in. */
class KilledWork {
  isEnded = false;
  kills = 0;
  private state = 0;
  private readonly disturbances: Disturbance[] = [];

  constructor(
    private readonly plan: KillPlan,
    private readonly tally: Tally,
    private readonly out: string,
  ) {}

  async begin(): Promise<void> {
    this.state = await this.plan.job.stateOf(this.out);
  }

  /** Lets one process work. @returns whether it was killed. */
  async next(mayBeKilled: boolean): Promise<boolean> {
    const { job, pool, moment } = this.plan;
    const left = Math.max(LEAST_LEFT, 1 - this.state / job.undisturbed.state);
    const disturbance = mayBeKilled ? moment(left) : {};
    this.disturbances.push(disturbance);
    const ending = await pool.run(job.request(this.out), disturbance);
    if (ending.type === 'killed') {
      this.kills++;
      await this.countState();
      return true;
    }
    await this.countEnd(ending);
    return false;
  }

  private async countState(): Promise<void> {
    const { tally, state } = this;
    try {
      this.state = await this.plan.job.stateOf(this.out);
      if (this.state < state) tally.count('mixed', `${state} published, then ${this.state}, ${this.fault}`);
      else tally.count(this.state === state ? 'old' : 'new', this.fault);
    } catch (error) {
      tally.count('mixed', `${String(error)}, ${this.fault}`);
    }
  }

  private async countEnd(ending: Exclude<Ending, { type: 'killed' }>): Promise<void> {
    const { job } = this.plan;
    if (ending.type === 'done') {
      const different = firstDifference(await job.resultOf(this.out), job.undisturbed.result);
      this.tally.countResumed(different === undefined, `${different}, ${this.fault}`);
    } else this.tally.count('wrong', `${ending.message}, ${this.fault}`);
    this.isEnded = true;
    await rm(dirname(this.out), { recursive: true });
  }

  private get fault(): string {
    return this.disturbances.map((one) => JSON.stringify(one)).join(', then ');
  }
}
