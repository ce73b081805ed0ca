/** Runs that differ in their seeds alone, gathered. */
import type { SweptRun } from '../../swept-run.js';
import { summarize, type SeedSummary } from '../statistics/seed-summary.js';
import { compareBy, directionOf, finishedRuns, metricOf } from './metrics.js';
import { groupBy, identityOf } from './swept-values.js';

/** One configuration with all its runs. */
export interface Configuration {
  values: SweptRun['values'];
  runs: readonly SweptRun[];
  /** Those of the runs that have results. */
  finished: readonly SweptRun[];
}

/** The configurations in the order their first runs come in. */
export function configurationsOf(runs: readonly SweptRun[], sweptKeys: readonly string[]): Configuration[] {
  return [...groupBy(runs, (run) => identityOf(run, sweptKeys)).values()].map((group) => ({
    values: group[0]!.values,
    runs: group,
    finished: finishedRuns(group),
  }));
}

/** A figure of a configuration over its finished runs; undefined where none has a finite value. */
export function summaryOf(
  { finished }: Pick<Configuration, 'finished'>,
  metric: string,
): SeedSummary | undefined {
  return summarize(finished.map((run) => metricOf(run, metric)).filter((value) => value !== undefined));
}

/** Configurations with the best mean first, those without a value last; in their own order where no value is better. */
export function ranked(configurations: readonly Configuration[], metric: string): Configuration[] {
  if (directionOf(metric) === undefined) return [...configurations];
  const means = new Map(configurations.map((one) => [one, summaryOf(one, metric)?.mean]));
  const better = compareBy(metric);
  return [...configurations].sort((a, b) => {
    const [left, right] = [means.get(a), means.get(b)];
    if (left === undefined || right === undefined)
      return Number(left === undefined) - Number(right === undefined);
    return better(left, right);
  });
}

/**
 * The configuration with the best mean; undefined where there is nothing to choose from. One with a value that is not finite is
 * never the best, whatever its other seeds reach.
 */
export function bestOf(configurations: readonly Configuration[], metric: string): Configuration | undefined {
  if (directionOf(metric) === undefined) return undefined;
  const sound = ranked(configurations, metric).filter((one) => summaryOf(one, metric)?.notFinite === 0);
  return sound.length > 0 && configurations.length > 1 ? sound[0] : undefined;
}
