/** A sweep as one HTML page that needs nothing else: no request, no script. */
import { sha256 } from '@selective-dpo/foundation';
import type { SweepReport } from '../swept-run.js';
import { configurationsOf } from './figures/configurations.js';
import { shownMetrics } from './figures/metrics.js';
import { keyRoles } from './figures/swept-keys.js';
import { markup, Markup } from './markup.js';
import { PAGE_STYLE } from './page-style.js';
import { configurationTable } from './sections/configuration-table.js';
import { curveSection } from './sections/curve-section.js';
import { keySections } from './sections/key-sections.js';
import { overviewSection, shownTitle } from './sections/overview.js';
import { runTable } from './sections/run-table.js';

/** Allows the page's own style sheet and nothing else. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${Buffer.from(sha256(PAGE_STYLE), 'hex').toString('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/**
 * The whole page. The same report gives the same bytes; its size is bounded (`bounds.ts`), whatever the report holds.
 * Every text is escaped; characters that are not seen appear as `\u202e`.
 */
export function renderSweepReport(report: SweepReport): string {
  const { runs, sweptKeys } = report;
  const metrics = shownMetrics(report);
  const configurations = configurationsOf(runs, sweptKeys);
  const roles = keyRoles(runs, sweptKeys);
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${shownTitle(report)}</title>
<style>${Markup.constant(PAGE_STYLE)}</style>
</head>
<body><main>
${overviewSection(report, configurations, roles, metrics[0])}
${configurations.length > 1 && configurationTable(roles, configurations, metrics)}
${keySections(report, roles, metrics)}
${curveSection(configurations, metrics, roles.independent)}
${runTable(runs, metrics)}
<footer>Intervals are 95% t-intervals over seeds: how much the mean may vary when seeds are drawn anew, not what other data would bring. The figures of every run are in results.csv.</footer>
</main></body>
</html>
`;
  return page.source;
}
