/** The head of a report: what was swept, how far it is, what came out best. */
import type { SweepReport } from '../../swept-run.js';
import { MAX_CATEGORIES, MAX_COLUMNS, MAX_LABEL } from '../bounds.js';
import { bestOf, summaryOf, type Configuration } from '../figures/configurations.js';
import { finishedRuns, directionOf } from '../figures/metrics.js';
import type { KeyRoles } from '../figures/swept-keys.js';
import { distinctValues, shownSetting, shownValue } from '../figures/swept-values.js';
import { markup, type Markup } from '../markup.js';
import { counted, cutText, shownMean } from '../shown-text.js';
import { comparisonWarning, namesOf } from './key-description.js';

const MAX_TITLE = 200;

/** The title as the page shows it. */
export function shownTitle({ title }: SweepReport): string {
  return title.trim() === '' ? 'Sweep' : cutText(title, MAX_TITLE);
}

/** @param metric the figure shown first, of those that there are. */
export function overviewSection(
  report: SweepReport,
  configurations: readonly Configuration[],
  roles: KeyRoles,
  metric: string | undefined,
): Markup {
  const { runs, sweptKeys } = report;
  const seeds = [...new Set(runs.map(({ seed }) => seed))].sort((a, b) => a - b);
  const count = (status: string) => runs.filter((run) => run.status === status).length;
  const facts: [string, string][] = [
    ['Runs', `${runs.length}`],
    ['Finished', `${count('finished')}`],
    ['Failed', `${count('failed')}`],
    ['Missing', `${count('missing')}`],
    ['Configurations', `${configurations.length}`],
    ['Seeds', seeds.length === 0 ? '–' : listed(seeds.map(String), 12)],
  ];
  return markup`<header><p class="kind">Sweep</p><h1><bdi>${shownTitle(report)}</bdi></h1>
<dl class="facts">${facts.map(([name, value]) => markup`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
${bestCard(configurations, roles, metric)}${noMetricNotice(report, metric)}
${
  sweptKeys.length > 0 &&
  markup`<dl class="keys">${sweptKeys
    .slice(0, MAX_COLUMNS)
    .map(
      (key) =>
        markup`<dt><bdi>${cutText(key, MAX_LABEL)}</bdi></dt><dd><bdi>${listed(distinctValues(runs, key).map(shownValue), MAX_CATEGORIES)}</bdi></dd>`,
    )}</dl>`
}
${
  roles.dependent.length > 0 &&
  markup`<p class="note">These change only along with others: ${namesOf(roles.dependent)}. They have no plots of their own.</p>`
}</header>`;
}

function listed(values: readonly string[], limit: number): string {
  const shown = values.slice(0, limit).join(', ');
  return values.length > limit ? `${shown} and ${values.length - limit} more` : shown;
}

function bestCard(
  configurations: readonly Configuration[],
  { independent, varying }: KeyRoles,
  metric: string | undefined,
): Markup | undefined {
  const best = metric === undefined ? undefined : bestOf(configurations, metric);
  if (metric === undefined || best === undefined) return undefined;
  const { mean, half, count } = summaryOf(best, metric)!;
  const warning = comparisonWarning([metric], varying);
  const direction = directionOf(metric) === 'lower' ? 'lowest' : 'highest';
  return markup`<div class="best"><p><span class="star">★</span> Best of ${counted(configurations.length, 'configuration')}: ${direction} mean of ${cutText(metric, MAX_LABEL)}</p>
<p class="value"><strong>${shownMean(mean, half)}</strong> <bdi>${shownSetting(best, independent)}</bdi></p>
<p class="note">${half === undefined ? counted(count, 'seed') : `95% t-interval over ${counted(count, 'seed')}`}. The best of many is in part the luckiest: expect less of it on other pairs.</p>${warning !== undefined && markup`<p class="note">${warning}</p>`}</div>`;
}

function noMetricNotice({ metric, runs }: SweepReport, shown: string | undefined): Markup | undefined {
  if (shown === metric || finishedRuns(runs).length === 0) return undefined;
  const held = metric.startsWith('eval/') ? ' Set evalFraction to hold pairs out.' : '';
  return markup`<p class="notice">No finished run has ${cutText(metric, MAX_LABEL)}.${held}</p>`;
}
