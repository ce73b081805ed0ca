/** The table of configurations: means over seeds with their intervals, the best first. */
import { MAX_COLUMNS, MAX_CONFIGURATIONS, MAX_LABEL } from '../bounds.js';
import { bestOf, ranked, summaryOf, type Configuration } from '../figures/configurations.js';
import { directionOf, incomparableKeys, metricOf } from '../figures/metrics.js';
import type { KeyRoles } from '../figures/swept-keys.js';
import { shownValue, valueOf } from '../figures/swept-values.js';
import { markup, Markup } from '../markup.js';
import { summaryHint } from '../plots/key-notes.js';
import { seedInterval, valueDomain } from '../plots/value-axis.js';
import { cutText, shownMean } from '../shown-text.js';
import type { SeedSummary } from '../statistics/seed-summary.js';
import { point, type Place } from '../svg/marks.js';
import { linearScale, type Scale } from '../svg/scale.js';
import { comparisonWarning } from './key-description.js';

const [STRIP_WIDTH, STRIP_HEIGHT] = [150, 20];

/** @param metrics those with a column; the order of rows is by the first. Keys that follow from others come last. */
export function configurationTable(
  { varying, independent }: KeyRoles,
  configurations: readonly Configuration[],
  metrics: readonly string[],
): Markup {
  const [first] = metrics;
  const rows = (first === undefined ? [...configurations] : ranked(configurations, first)).slice(
    0,
    MAX_CONFIGURATIONS,
  );
  const keys = independent.slice(0, MAX_COLUMNS);
  const following = varying.filter((key) => !independent.includes(key)).slice(0, MAX_COLUMNS);
  // What does not compare has no best, unless it was asked for.
  const ranking = metrics.filter(
    (metric) => metric === first || incomparableKeys(metric, varying).length === 0,
  );
  const best = new Map(ranking.map((metric) => [metric, bestOf(configurations, metric)]));
  const scale = first === undefined ? undefined : stripScale(rows, first);
  const warning = comparisonWarning(metrics, varying);
  return markup`<section><h2>Configurations</h2>
<p class="note">Means over finished seeds, ± half of the 95% t-interval where there are two seeds or more. ★ marks the best mean of a column whose figures compare.</p>
<div class="scroll"><table><thead><tr>${keys.map(keyHead)}<th class="number">seeds</th>${
    scale && markup`<th>mean and interval</th>`
  }${metrics.map(metricHead)}${following.map(keyHead)}</tr></thead>
<tbody>${rows.map((one) => configurationRow(one, { keys, following }, metrics, best, scale))}</tbody></table></div>
${rows.length < configurations.length && markup`<p class="note">The first ${rows.length} of ${configurations.length}; results.csv has all runs.</p>`}
${warning !== undefined && markup`<p class="note">${warning}</p>`}</section>`;
}

function keyHead(key: string): Markup {
  return markup`<th><bdi>${cutText(key, MAX_LABEL)}</bdi></th>`;
}

/** The head of a figure's column, with an arrow to where it is better. */
export function metricHead(metric: string): Markup {
  const direction = directionOf(metric);
  const arrow = direction === undefined ? '' : direction === 'higher' ? '\u00a0↑' : '\u00a0↓';
  const hint = direction === undefined ? '' : `${direction} is better`;
  return markup`<th class="number figure" title="${hint}"><bdi>${breakable(cutText(metric, MAX_LABEL))}</bdi>${arrow}</th>`;
}

/** A name that may go on in a new line after each `/`. */
function breakable(name: string): Markup {
  return Markup.join(
    name.split('/').map((part) => markup`${part}`),
    '/<wbr>',
  );
}

function configurationRow(
  one: Configuration,
  { keys, following }: Record<'keys' | 'following', readonly string[]>,
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
  return markup`<tr${isBest && Markup.constant(' class="top"')}>${keys.map((key) => keyCell(one, key))}<td class="number">${seeds}</td>${scale && markup`<td>${summary && strip(summary, scale)}</td>`}${metrics.map(
    (metric) => summaryCell(one, metric, best.get(metric) === one),
  )}${following.map((key) => keyCell(one, key))}</tr>\n`;
}

function keyCell(one: Configuration, key: string): Markup {
  return markup`<td><bdi>${shownValue(valueOf(one, key))}</bdi></td>`;
}

function summaryCell(one: Configuration, metric: string, isBest: boolean): Markup {
  const summary = summaryOf(one, metric);
  if (summary === undefined) {
    const measured = one.finished.some((run) => metricOf(run, metric) !== undefined);
    return markup`<td class="number">${measured ? 'not finite' : '–'}</td>`;
  }
  const { mean, half, count, notFinite } = summary;
  const shown = shownMean(mean, half);
  const lost = notFinite > 0 && markup` <small class="bad">${count} of ${count + notFinite} finite</small>`;
  return markup`<td class="number" title="${summaryHint(summary)}">${isBest ? markup`<strong>★ ${shown}</strong>` : shown}${lost}</td>`;
}

/** One scale for all rows. */
function stripScale(rows: readonly Configuration[], metric: string): Scale | undefined {
  const summaries = rows.map((one) => summaryOf(one, metric)).filter((one) => one !== undefined);
  if (summaries.length < 2) return undefined;
  return linearScale(valueDomain(summaries), [8, STRIP_WIDTH - 8]);
}

function strip(summary: SeedSummary, { at, domain }: Scale): Markup {
  const place = (value: number): Place => [at(value), STRIP_HEIGHT / 2];
  const { mean } = summary;
  const bar = seedInterval(summary, domain, 0, place);
  return markup`<svg class="plot strip" viewBox="0 0 ${STRIP_WIDTH} ${STRIP_HEIGHT}" width="${STRIP_WIDTH}" height="${STRIP_HEIGHT}" role="img" aria-label="${shownMean(mean, summary.half)}">${bar}${point(place(mean), 0, summaryHint(summary))}</svg>`;
}
