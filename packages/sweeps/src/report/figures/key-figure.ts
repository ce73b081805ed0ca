/** One figure against one swept key, the other keys told apart by lines or, where they are many, averaged. */
import type { SweptRun } from '../../swept-run.js';
import { MAX_CATEGORIES, MAX_CONTEXT_LINES, MAX_LINES, MAX_POSITIONS } from '../bounds.js';
import type { PlottedKey } from './swept-keys.js';
import { summarize, type SeedSummary } from '../statistics/seed-summary.js';
import { compareBy, finishedRuns, metricOf } from './metrics.js';
import {
  distinctValues,
  groupBy,
  identityOf,
  isNumeric,
  shownSetting,
  valueOf,
  type SweptValue,
} from './swept-values.js';

/** The runs of one setting at one value of the key. */
export interface KeyCell {
  value: SweptValue;
  summary: SeedSummary;
  /** Finite values, one a seed. */
  singles: readonly number[];
}

/** A setting of the other keys along the values of the key. */
export interface KeyLine {
  /** Empty where there is one setting only. */
  label: string;
  cells: readonly KeyCell[];
}

export interface KeyFigure {
  key: string;
  metric: string;
  numeric: boolean;
  /** Values that have a result, in the order to draw. */
  values: readonly SweptValue[];
  /** Values beyond {@link MAX_POSITIONS} or {@link MAX_CATEGORIES} that are left out. */
  hidden: number;
  /** Finished runs whose result is NaN or infinite; they are left out. */
  notFinite: number;
  /** Keys that the lines differ in. */
  others: readonly string[];
  /** All keys that the runs differ in. */
  varying: readonly string[];
  /** One line a setting, or one mean over the settings that have every value. */
  lines: readonly KeyLine[];
  /** Where `lines` is a mean: the settings one by one. */
  context: readonly KeyLine[];
  /** Settings in the mean, of how many; undefined where nothing is averaged. */
  averaged?: { settings: number; of: number };
}

/**
 * Gathers a figure.
 * @param order figure by whose mean values that are no numbers are put in order, best first.
 * @returns undefined where fewer than two values of the key have a finite result.
 */
export function keyFigure(
  runs: readonly SweptRun[],
  { key, others, varying }: PlottedKey,
  metric: string,
  order = metric,
): KeyFigure | undefined {
  const numeric = isNumeric(runs, key);
  const having = finishedRuns(runs).filter(
    (run) => metricOf(run, metric) !== undefined && !(numeric && valueOf(run, key) === undefined),
  );
  const measured = having.filter((run) => Number.isFinite(metricOf(run, metric)));
  const all = numeric ? distinctValues(measured, key) : bestFirst(measured, key, order);
  const values = numeric ? spread(all, MAX_POSITIONS) : all.slice(0, MAX_CATEGORIES);
  if (values.length < 2) return undefined;
  const drawn = new Set(values);
  const settings = [
    ...groupBy(
      measured.filter((run) => drawn.has(valueOf(run, key))),
      (run) => identityOf(run, others),
    ).values(),
  ];
  const left = { hidden: all.length - values.length, notFinite: having.length - measured.length };
  const base = { key, metric, numeric, values, ...left, others, varying };
  const cells = (group: readonly SweptRun[]) => cellsOf(group, key, metric, values);
  const lines = settings.map((group) => ({ label: shownSetting(group[0]!, others), cells: cells(group) }));
  if (settings.length <= MAX_LINES) return { ...base, lines, context: [] };
  const complete = settings.filter((_, index) => lines[index]!.cells.length === values.length);
  return {
    ...base,
    lines: complete.length === 0 ? [] : [{ label: 'mean', cells: meanCells(complete, key, metric, values) }],
    context: lines.slice(0, MAX_CONTEXT_LINES),
    averaged: { settings: complete.length, of: settings.length },
  };
}

/** Values by the mean of a figure over all their runs. */
function bestFirst(runs: readonly SweptRun[], key: string, metric: string): SweptValue[] {
  const better = compareBy(metric);
  const byValue = [...groupBy(runs, (run) => identityOf(run, [key])).values()].map((group) => ({
    value: valueOf(group[0]!, key),
    mean: summarize(group.map((run) => metricOf(run, metric) ?? NaN))?.mean,
  }));
  const withMean = byValue.filter(
    (one): one is { value: SweptValue; mean: number } => one.mean !== undefined,
  );
  const without = byValue.filter(({ mean }) => mean === undefined);
  return [...withMean.sort((a, b) => better(a.mean, b.mean)), ...without].map(({ value }) => value);
}

/** At most `limit` of the values, evenly from the first to the last. */
function spread(values: readonly SweptValue[], limit: number): SweptValue[] {
  if (values.length <= limit) return [...values];
  return Array.from({ length: limit }, (_, k) => values[Math.round((k * (values.length - 1)) / (limit - 1))]);
}

function cellsOf(
  runs: readonly SweptRun[],
  key: string,
  metric: string,
  values: readonly SweptValue[],
): KeyCell[] {
  const byValue = groupBy(runs, (run) => identityOf(run, [key]));
  return values.flatMap((value) => {
    const group =
      byValue.get(identityOf({ values: value === undefined ? {} : { [key]: value } }, [key])) ?? [];
    return cellOf(
      value,
      group.map((run) => metricOf(run, metric)!),
    );
  });
}

/** For each seed that all settings have, its mean over the settings; then over those seeds. */
function meanCells(
  settings: readonly (readonly SweptRun[])[],
  key: string,
  metric: string,
  values: readonly SweptValue[],
): KeyCell[] {
  return values.flatMap((value) => {
    const here = settings.flat().filter((run) => valueOf(run, key) === value);
    const bySeed = [...groupBy(here, ({ seed }) => String(seed)).values()];
    const whole = bySeed.filter((group) => group.length >= settings.length);
    return cellOf(
      value,
      whole.map((group) => summarize(group.map((run) => metricOf(run, metric)!))!.mean),
    );
  });
}

function cellOf(value: SweptValue, singles: readonly number[]): KeyCell[] {
  const summary = summarize(singles);
  return summary === undefined ? [] : [{ value, summary, singles }];
}
