/** The table of configurations: means over seeds with their intervals, the best first. */
import type { SweepReport } from '../../swept-run.js';
import { MAX_COLUMNS, MAX_CONFIGURATIONS, MAX_LABEL } from '../bounds.js';
import { bestOf, ranked, summaryOf, type Configuration } from '../figures/configurations.js';
import { directionOf } from '../figures/metrics.js';
import { shownValue, valueOf } from '../figures/swept-values.js';
import { markup, Markup } from '../markup.js';
import { summaryHint } from '../plots/key-notes.js';
import { cutText, shownMean } from '../shown-text.js';
import type { SeedSummary } from '../statistics/seed-summary.js';
import { interval, point, type Place } from '../svg/marks.js';
import { linearScale, type Scale } from '../svg/scale.js';
import { paddedDomain } from '../svg/ticks.js';
import { comparisonWarning } from './key-description.js';

const [STRIP_WIDTH, STRIP_HEIGHT] = [150, 20];

/** @param metrics those with a column; the order of rows is by the first. */
export function configurationTable(
  { sweptKeys }: SweepReport,
  configurations: readonly Configuration[],
  metrics: readonly string[],
): Markup {
  const [first] = metrics;
  const rows = (first === undefined ? [...configurations] : ranked(configurations, first)).slice(
    0,
    MAX_CONFIGURATIONS,
  );
  const keys = sweptKeys.slice(0, MAX_COLUMNS);
  const best = new Map(metrics.map((metric) => [metric, bestOf(configurations, metric)]));
  const scale = first === undefined ? undefined : stripScale(rows, first);
  const warning = comparisonWarning(metrics, sweptKeys);
  return markup`<section><h2>Configurations</h2>
<p class="note">Means over finished seeds, ± half of the 95% t-interval where there are two seeds or more. ★ marks the best mean of a column.</p>
<div class="scroll"><table><thead><tr>${keys.map((key) => markup`<th><bdi>${cutText(key, MAX_LABEL)}</bdi></th>`)}<th class="number">seeds</th>${
    scale && markup`<th>mean and interval</th>`
  }${metrics.map(metricHead)}</tr></thead>
<tbody>${rows.map((one) => configurationRow(one, keys, metrics, best, scale))}</tbody></table></div>
${rows.length < configurations.length && markup`<p class="note">The first ${rows.length} of ${configurations.length}; results.csv has all runs.</p>`}
${warning !== undefined && markup`<p class="note">${warning}</p>`}</section>`;
}

/** The head of a figure's column, with an arrow to where it is better. */
export function metricHead(metric: string): Markup {
  const direction = directionOf(metric);
  const arrow = direction === undefined ? '' : direction === 'higher' ? ' ↑' : ' ↓';
  const hint = direction === undefined ? '' : `${direction} is better`;
  return markup`<th class="number" title="${hint}"><bdi>${cutText(metric, MAX_LABEL)}</bdi>${arrow}</th>`;
}

function configurationRow(
  one: Configuration,
  keys: readonly string[],
  metrics: readonly string[],
  best: ReadonlyMap<string, Configuration | undefined>,
  scale: Scale | undefined,
): Markup {
  const first = metrics[0];
  const isBest = first !== undefined && best.get(first) === one;
  const summary = first === undefined ? undefined : summaryOf(one, first);
  const seeds =
    one.finished.length === one.runs.length
      ? `${one.runs.length}`
      : `${one.finished.length} of ${one.runs.length}`;
  return markup`<tr${isBest && Markup.constant(' class="top"')}>${keys.map(
    (key) => markup`<td><bdi>${shownValue(valueOf(one, key))}</bdi></td>`,
  )}<td class="number">${seeds}</td>${scale && markup`<td>${summary && strip(summary, scale)}</td>`}${metrics.map(
    (metric) => summaryCell(summaryOf(one, metric), one, best.get(metric) === one),
  )}</tr>\n`;
}

function summaryCell(summary: SeedSummary | undefined, { finished }: Configuration, isBest: boolean): Markup {
  if (summary === undefined)
    return markup`<td class="number">${finished.length > 0 ? 'not finite' : '–'}</td>`;
  const { mean, half, count, notFinite } = summary;
  const shown = shownMean(mean, half);
  const lost = notFinite > 0 && markup` <small class="bad">${count} of ${count + notFinite} finite</small>`;
  return markup`<td class="number" title="${summaryHint(summary)}">${isBest ? markup`<strong>★ ${shown}</strong>` : shown}${lost}</td>`;
}

/** One scale for all rows; intervals reach beyond it at most as far as the means lie apart. */
function stripScale(rows: readonly Configuration[], metric: string): Scale | undefined {
  const summaries = rows.map((one) => summaryOf(one, metric)).filter((one) => one !== undefined);
  if (summaries.length < 2) return undefined;
  const [low, high] = paddedDomain(summaries.flatMap(({ smallest, largest }) => [smallest, largest]));
  return linearScale([low, high], [8, STRIP_WIDTH - 8]);
}

function strip(summary: SeedSummary, { at, domain: [low, high] }: Scale): Markup {
  const place = (value: number): Place => [at(value), STRIP_HEIGHT / 2];
  const { mean, half = 0 } = summary;
  const bar =
    half > 0 && interval(place(mean - half), place(mean + half), 0, [mean - half < low, mean + half > high]);
  return markup`<svg class="plot strip" viewBox="0 0 ${STRIP_WIDTH} ${STRIP_HEIGHT}" width="${STRIP_WIDTH}" height="${STRIP_HEIGHT}" role="img" aria-label="${shownMean(mean, summary.half)}">${bar}${point(place(mean), 0, summaryHint(summary))}</svg>`;
}
