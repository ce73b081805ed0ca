/** A section of plots for each swept key. */
import type { SweepReport } from '../../swept-run.js';
import { MAX_LABEL, MAX_PLOTTED_KEYS } from '../bounds.js';
import { keyFigure } from '../figures/key-figure.js';
import type { KeyRoles } from '../figures/swept-keys.js';
import { markup, type Markup } from '../markup.js';
import { keyPlot } from '../plots/key-plot.js';
import { cutText } from '../shown-text.js';
import { drawPlot } from '../svg/plot.js';
import { namesOf } from './key-description.js';

/** @param metrics those with a plot, the most important first. */
export function keySections(
  { runs }: SweepReport,
  { plotted }: KeyRoles,
  metrics: readonly string[],
): Markup[] {
  const sections = plotted.slice(0, MAX_PLOTTED_KEYS).flatMap((role) => {
    const figures = metrics
      .map((metric) => keyFigure(runs, role, metric, metrics[0]))
      .filter((figure) => figure !== undefined);
    if (figures.length === 0) return [];
    return [
      markup`<section><h2>By <bdi>${cutText(role.key, MAX_LABEL)}</bdi></h2><div class="plots">${figures.map(
        (figure) => markup`<figure>${drawPlot(keyPlot(figure), markup`class="plot"`)}</figure>`,
      )}</div></section>`,
    ];
  });
  const left = plotted.slice(MAX_PLOTTED_KEYS).map(({ key }) => key);
  return left.length === 0
    ? sections
    : [...sections, markup`<p class="note">No plots for ${namesOf(left)}.</p>`];
}
