/** A figure over the steps of training, seeds gathered into a mean and a band. */
import { MAX_STEPS } from '../bounds.js';
import type { Configuration } from './configurations.js';

/** One place of a curve; without values where none was finite. */
export interface CurvePoint {
  step: number;
  seeds?: { mean: number; smallest: number; largest: number };
}

/** The curve of a configuration. */
export interface Curve {
  configuration: Configuration;
  /** Ascending steps. */
  points: readonly CurvePoint[];
  /** Runs with this curve. */
  runs: number;
}

export interface CurveFigure {
  metric: string;
  curves: readonly Curve[];
  /** Steps that one place stands for, where there are too many to draw each. */
  gathered?: number;
}

/** Places on the axis of steps. */
interface Bins {
  indexOf(step: number): number;
  stepOf(index: number): number;
  gathered?: number;
}

/** @returns undefined where no configuration has finite values at two steps. */
export function curveFigure(
  configurations: readonly Configuration[],
  metric: string,
): CurveFigure | undefined {
  const bins = binsOf(configurations, metric);
  const curves = configurations
    .map((configuration) => curveOf(configuration, metric, bins))
    .filter(({ points }) => points.some(({ seeds }) => seeds !== undefined));
  const drawable = curves.some(({ points }) => points.filter(({ seeds }) => seeds !== undefined).length > 1);
  if (!drawable) return undefined;
  return { metric, curves, ...(bins.gathered !== undefined && { gathered: bins.gathered }) };
}

function pointsOf(
  { curves }: Configuration['runs'][number],
  metric: string,
): readonly (readonly [number, number])[] {
  return Object.hasOwn(curves, metric) ? curves[metric]!.filter(([step]) => Number.isFinite(step)) : [];
}

/** Every step that occurs, or {@link MAX_STEPS} equal stretches. */
function binsOf(configurations: readonly Configuration[], metric: string): Bins {
  const distinct = new Set<number>();
  for (const { finished } of configurations) {
    for (const run of finished) for (const [step] of pointsOf(run, metric)) distinct.add(step);
  }
  const steps = [...distinct].sort((a, b) => a - b);
  if (steps.length <= MAX_STEPS) {
    const places = new Map(steps.map((step, index) => [step, index]));
    return { indexOf: (step) => places.get(step)!, stepOf: (index) => steps[index]! };
  }
  const first = steps[0]!;
  const gathered = (steps.at(-1)! - first) / MAX_STEPS;
  return {
    gathered,
    indexOf: (step) => Math.min(MAX_STEPS - 1, Math.floor((step - first) / gathered)),
    stepOf: (index) => first + (index + 0.5) * gathered,
  };
}

function curveOf(configuration: Configuration, metric: string, bins: Bins): Curve {
  // By place: the mean of each run there, NaN where a run has no finite value.
  const places = new Map<number, number[]>();
  let runs = 0;
  for (const run of configuration.finished) {
    const points = pointsOf(run, metric);
    if (points.length > 0) runs++;
    for (const [index, value] of meansByPlace(points, bins)) {
      places.set(index, [...(places.get(index) ?? []), value]);
    }
  }
  const points = [...places]
    .sort(([a], [b]) => a - b)
    .map(([index, values]) => pointOf(bins.stepOf(index), values.filter(Number.isFinite)));
  return { configuration, points, runs };
}

function meansByPlace(points: readonly (readonly [number, number])[], bins: Bins): Map<number, number> {
  const sums = new Map<number, { sum: number; count: number }>();
  for (const [step, value] of points) {
    const index = bins.indexOf(step);
    const { sum, count } = sums.get(index) ?? { sum: 0, count: 0 };
    sums.set(index, Number.isFinite(value) ? { sum: sum + value, count: count + 1 } : { sum, count });
  }
  return new Map([...sums].map(([index, { sum, count }]) => [index, sum / count]));
}

function pointOf(step: number, values: readonly number[]): CurvePoint {
  if (values.length === 0) return { step };
  const mean = values.reduce((sum, value) => sum + value / values.length, 0);
  return { step, seeds: { mean, smallest: Math.min(...values), largest: Math.max(...values) } };
}
