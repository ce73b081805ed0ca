/** The plot of a figure against a swept key. */
import type { KeyFigure } from '../figures/key-figure.js';
import type { Plot } from '../svg/plot.js';
import { categoryPlot } from './category-plot.js';
import { numberPlot } from './number-plot.js';

/** Lines for keys of numbers, rows of points for others. */
export function keyPlot(figure: KeyFigure): Plot {
  return figure.numeric ? numberPlot(figure) : categoryPlot(figure);
}
