/** The figure that a sweep shows first: which there are, and whether a sweep has it. */
import { InputError, byNearness } from '@selective-dpo/foundation';
import { FIGURE_NAMES } from '@selective-dpo/trainer';
import type { SweepPlan } from './plan/plan-sweep.js';
import type { RunResult } from './results/run-result.js';

/** Shown where none is asked for. */
export const DEFAULT_METRIC = 'eval/rewards/accuracies';

/** The figures there are, those whose names are nearest to a wrong one first; undefined where it is one of them. */
export function figuresBeside(metric: string): string[] | undefined {
  return FIGURE_NAMES.includes(metric) ? undefined : byNearness(metric, FIGURE_NAMES);
}

/**
 * Refuses, before anything is started, a figure of held-out pairs where no run holds any out.
 * @throws InputError `metric-absent`.
 */
export function refuseUnheldMetric(metric: string, { file, runs }: SweepPlan): void {
  if (!metric.startsWith('eval/') || runs.some(({ made }) => made.config.evalFraction > 0)) return;
  throw new InputError('metric-absent', 'the figure is of held-out pairs, and no run holds any out', {
    ...{ file, field: '--metric', found: metric, expected: metric.replace('eval/', 'train/') },
    hint: 'set evalFraction in the file, or name a figure of train/',
  });
}

/**
 * Refuses a figure that no finished run has; the results are published by then.
 * @throws InputError `metric-absent` with those they have, the nearest first.
 */
export function refuseAbsentMetric(metric: string, results: readonly RunResult[]): void {
  const finished = results.filter(({ run }) => run.status === 'finished');
  const present = [...new Set(finished.flatMap(({ run }) => Object.keys(run.metrics)))];
  if (present.length === 0 || present.includes(metric)) return;
  throw new InputError(
    'metric-absent',
    'no finished run has this figure; the results are there all the same',
    {
      ...{ field: '--metric', found: metric, expected: `one of ${byNearness(metric, present).join(', ')}` },
      hint: 'show another one with --collect --metric NAME',
    },
  );
}
