/** Curves of one figure, by name. */
import {
  configurationsOf,
  curveFigure,
  curvePlot,
  type Plot,
  type SweptRun,
} from '@selective-dpo/sweeps/plots';
import { namedCurves } from '../metrics/swept-runs.js';

/** @returns undefined where no curve has two finite values. */
export function metricCurves(
  metric: string,
  curves: readonly (readonly [name: string, points: SweptRun['curves'][string]])[],
): Plot | undefined {
  // A name that everything has says nothing.
  const named = curves.length > 1;
  const figure = curveFigure(configurationsOf(namedCurves(metric, curves), ['run']), metric);
  return figure && curvePlot(figure, { lines: figure.curves, context: [], keys: named ? ['run'] : [] });
}
