/** One plot of a report as an SVG file of its own. */
import { InputError, quoteValue } from '@selective-dpo/foundation';
import type { SweepReport } from '../swept-run.js';
import { keyFigure } from './figures/key-figure.js';
import { finishedRuns, metricOf } from './figures/metrics.js';
import { keyRoles } from './figures/swept-keys.js';
import { markup, Markup } from './markup.js';
import { keyPlot } from './plots/key-plot.js';
import { drawPlot } from './svg/plot.js';
import { DARK, LIGHT, PLOT_STYLE } from './svg/plot-style.js';

/** It brings its own ground, so it is readable on a page of any colour, and follows the reader's theme. */
const STYLE = `svg.plot{${LIGHT}}.ground{fill:var(--card)}
@media (prefers-color-scheme:dark){svg.plot{${DARK}}}
${PLOT_STYLE}`;

/**
 * A figure against a swept key, as the report draws it.
 * @throws InputError `no-such-key` where the key has no plot, `no-metric` where fewer than two of its values have a result.
 */
export function renderMetricPlot(report: SweepReport, key: string, metric: string): string {
  const { plotted } = keyRoles(report.runs, report.sweptKeys);
  const role = plotted.find((one) => one.key === key);
  if (role === undefined) {
    throw new InputError('no-such-key', 'the key does not vary by itself in this sweep', {
      ...{
        field: key,
        expected: plotted.map((one) => one.key).join(', ') || 'a sweep over at least one key',
      },
    });
  }
  const known = finishedRuns(report.runs).some((run) => metricOf(run, report.metric) !== undefined);
  const figure = keyFigure(report.runs, role, metric, known ? report.metric : metric);
  if (figure === undefined) {
    throw new InputError('no-metric', `fewer than two values of ${key} have this figure`, {
      found: quoteValue(metric),
    });
  }
  const attributes = markup`xmlns="http://www.w3.org/2000/svg" class="plot"`;
  const ground = markup`<style>${Markup.constant(STYLE)}</style><rect class="ground" width="100%" height="100%"/>`;
  return `${drawPlot(keyPlot(figure), attributes, ground).source}\n`;
}
