/** The section of curves over steps. */
import { MAX_CONTEXT_LINES, MAX_LINES } from '../bounds.js';
import { ranked, type Configuration } from '../figures/configurations.js';
import { curveFigure } from '../figures/curve-figure.js';
import { markup, type Markup } from '../markup.js';
import { curvePlot } from '../plots/curve-plot.js';
import { drawPlot } from '../svg/plot.js';

/**
 * Curves of the loss on training pairs and of the figures shown. Where configurations are more than the palette has colours, the
 * best are drawn in colour and others in grey.
 * @param keys that tell the configurations apart.
 */
export function curveSection(
  configurations: readonly Configuration[],
  metrics: readonly string[],
  keys: readonly string[],
): Markup | undefined {
  const [first] = metrics;
  const finished = configurations.filter((one) => one.finished.length > 0);
  const many = finished.length > MAX_LINES && first !== undefined;
  const chosen = (many ? ranked(finished, first) : finished).slice(0, MAX_LINES + MAX_CONTEXT_LINES);
  const coloured = new Set(chosen.slice(0, MAX_LINES));
  const plots = [...new Set(['train/loss', ...metrics])].flatMap((metric) => {
    const figure = curveFigure(chosen, metric);
    if (figure === undefined) return [];
    const plot = curvePlot(figure, {
      lines: figure.curves.filter(({ configuration }) => coloured.has(configuration)),
      context: figure.curves.filter(({ configuration }) => !coloured.has(configuration)),
      keys,
      ...(many && { note: `In colour: the ${MAX_LINES} best by ${first}.` }),
    });
    return [markup`<figure>${drawPlot(plot, markup`class="plot"`)}</figure>`];
  });
  return plots.length === 0
    ? undefined
    : markup`<section><h2>Over steps</h2><div class="plots">${plots}</div></section>`;
}
