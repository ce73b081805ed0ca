/** The figures of a sweep's runs, read again and again while they train. */
import type { SweepDescription, SweptRunDescription, SweptRunState } from '../../src/site-contract.js';
import type { SiteFiles } from '../files/site-files.js';
import { MetricsTail } from './metrics-tail.js';
import { sweptRun, type FollowedRun } from './swept-runs.js';

/** Runs that are read, and files of metrics that are read at the same time. */
export const [MAX_RUNS, AT_ONCE] = [2000, 6];
/** Points of a curve where runs are more than {@link MANY_RUNS}. */
const [FEW_POINTS, MANY_RUNS] = [60, 50];

/** The first {@link MAX_RUNS} runs. Memory: 400 points a curve, {@link FEW_POINTS} where runs are many. */
export class SweepTail {
  private readonly tails = new Map<string, MetricsTail>();
  /** States in which files were read to their end. */
  private readonly read = new Map<string, SweptRunState>();

  constructor(private readonly files: SiteFiles) {}

  /**
   * Reads what is new: of runs that train all the time, of others once they stand otherwise than before.
   * @returns whether there was anything, or a run stands otherwise.
   * @throws SiteProblem for a finished run whose figures cannot be read.
   */
  async follow({ runs }: SweepDescription): Promise<boolean> {
    const wanted = runs.slice(0, MAX_RUNS);
    const due = wanted.filter(
      ({ metrics, state }) => state === 'running' || this.read.get(metrics) !== state,
    );
    let [next, news] = [0, false];
    const work = async () => {
      while (next < due.length) if (await this.followRun(due[next++]!, wanted.length)) news = true;
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return news;
  }

  /** The runs with their figures so far. */
  runsOf({ runs, keys }: SweepDescription): FollowedRun[] {
    return runs.slice(0, MAX_RUNS).map((run) => sweptRun(run, keys, this.tails.get(run.metrics)?.figures));
  }

  /** Lines of all runs that could not be read; half a line at the end is one where nobody writes. */
  unreadLines({ runs }: SweepDescription): number {
    return runs.slice(0, MAX_RUNS).reduce((sum, { metrics, state }) => {
      const figures = this.tails.get(metrics)?.figures;
      return sum + (figures === undefined ? 0 : figures.odd + Number(figures.cut && state === 'finished'));
    }, 0);
  }

  private async followRun({ metrics, state }: SweptRunDescription, runs: number): Promise<boolean> {
    const before = this.read.get(metrics);
    let news = before !== state;
    if (state !== 'waiting') {
      let tail = this.tails.get(metrics);
      if (tail === undefined)
        this.tails.set(
          metrics,
          (tail = new MetricsTail(this.files, metrics, runs > MANY_RUNS ? FEW_POINTS : undefined)),
        );
      try {
        if (await tail.follow()) news = true;
      } catch (error) {
        if (state === 'finished') throw error;
      }
    }
    this.read.set(metrics, state);
    return news;
  }
}
