/** Figures, plots and numbers of the report for other pages. Nothing here needs Node. */
export { curveFigure } from './figures/curve-figure.js';
export { bestOf, configurationsOf, ranked, summaryOf } from './figures/configurations.js';
export { keyFigure } from './figures/key-figure.js';
export { directionOf, incomparableKeys, metricOf, shownMetrics } from './figures/metrics.js';
export { keyRoles } from './figures/swept-keys.js';
export { shownSetting, shownValue, valueOf } from './figures/swept-values.js';
export { markup } from './markup.js';
export { curvePlot } from './plots/curve-plot.js';
export { keyPlot } from './plots/key-plot.js';
export { shownNumber } from './shown-text.js';
export type { Look } from './svg/look.js';
export { DARK, LIGHT, PLOT_STYLE } from './svg/plot-style.js';
export { drawPlot, plotArea, ticksWithRoom, type Plot } from './svg/plot.js';
export { linearScale, px } from './svg/scale.js';
export { linearTicks } from './svg/ticks.js';
export { Curve, type Point } from '../results/curve.js';
export type { SweptRun } from '../swept-run.js';
