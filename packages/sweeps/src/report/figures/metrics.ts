/** Which figures a report shows, which of two values is better, and what to beware of. */
import type { SweepReport, SweptRun } from '../../swept-run.js';
import { MAX_METRICS } from '../bounds.js';

const NAMES = ['rewards/accuracies', 'logps/accuracies', 'loss', 'rewards/margins'];
/** What is most useful, in order. */
const USEFUL = ['eval', 'train'].map((split) => NAMES.map((name) => `${split}/${name}`));

/** A figure of a run; undefined where the run has none of that name. */
export function metricOf({ metrics }: SweptRun, name: string): number | undefined {
  return Object.hasOwn(metrics, name) ? metrics[name] : undefined;
}

/** Runs with results. */
export function finishedRuns(runs: readonly SweptRun[]): SweptRun[] {
  return runs.filter(({ status }) => status === 'finished');
}

/**
 * The figures to show, the report's own one first: it and the most useful ones of the held-out pairs, or of the training pairs
 * where none were held out. Only those that a finished run has.
 */
export function shownMetrics({ runs, metric }: SweepReport): string[] {
  const finished = finishedRuns(runs);
  const present = (name: string) => finished.some((run) => metricOf(run, name) !== undefined);
  const useful = USEFUL.find((names) => names.some(present)) ?? [];
  return [...new Set([metric, ...useful])].filter(present).slice(0, MAX_METRICS);
}

/** Which of two values is better; undefined where neither is as such. */
export function directionOf(metric: string): 'higher' | 'lower' | undefined {
  if (/(?:accurac(?:y|ies)|margins?|win_rate|score)$/.test(metric)) return 'higher';
  if (/(?:loss|perplexity|nll)$/.test(metric)) return 'lower';
  return undefined;
}

/** Negative where `a` is better than `b`, for sorting. */
export function compareBy(metric: string): (a: number, b: number) => number {
  return directionOf(metric) === 'lower' ? (a, b) => a - b : (a, b) => b - a;
}

const SELECTED = ['keep', 'selection', 'selectionFrom', 'spanUnit', 'spanWindow'];
const OBJECTIVE = ['loss', 'labelSmoothing', 'rpoAlpha', 'lengthNormalization'];

/** Keys on which it depends what a figure measures. */
function measuredBy(metric: string): string[] {
  const held = metric.startsWith('eval/')
    ? ['evalFraction']
    : metric.startsWith('train/')
      ? ['refTrust']
      : [];
  if (metric === 'train/loss') held.push('refTrustScale');
  if (metric.endsWith('/loss')) return [...held, 'beta', 'cache', ...OBJECTIVE, ...SELECTED];
  if (metric.includes('/rewards_kept/')) return [...held, 'beta', 'cache', ...SELECTED];
  if (metric.endsWith('/rewards/accuracies')) return [...held, 'cache'];
  if (metric.includes('/rewards/')) return [...held, 'beta', 'cache'];
  return held;
}

/**
 * Keys under whose values a figure is not of one kind, so that comparing them by it means little: the loss is of the kept
 * tokens and scaled by beta; a reward is beta times a log-ratio to the reference (arXiv 2305.18290, section 5), so which answer
 * has the higher one depends on the reference; the pairs held out depend on their share, those trained on and their
 * weights on refTrust.
 */
export function incomparableKeys(metric: string, sweptKeys: readonly string[]): string[] {
  const keys = measuredBy(metric);
  return sweptKeys.filter((key) => keys.includes(key));
}
