/** The table of all runs: what went wrong first. */
import type { RunStatus, SweptRun } from '../../swept-run.js';
import { MAX_LABEL, MAX_MESSAGE, MAX_RUNS } from '../bounds.js';
import { metricOf } from '../figures/metrics.js';
import { markup, type Markup } from '../markup.js';
import { counted, cutText, shownNumber } from '../shown-text.js';
import { metricHead } from './configuration-table.js';

const STATUS: Readonly<Record<RunStatus, string>> = {
  failed: '✕ failed',
  missing: '… missing',
  finished: '✓ finished',
};
const ORDER: readonly RunStatus[] = ['failed', 'missing', 'finished'];
/** More rows than this are folded away, unless a run failed. */
const OPEN_ROWS = 30;

/** @param metrics those with a column. */
export function runTable(runs: readonly SweptRun[], metrics: readonly string[]): Markup {
  const sorted = ORDER.flatMap((status) => runs.filter((run) => run.status === status));
  const rows = sorted.slice(0, MAX_RUNS);
  const open = rows.length <= OPEN_ROWS || rows[0]?.status === 'failed';
  return markup`<section><h2>Runs</h2>
${runs.length === 0 && markup`<p class="note">There are no runs.</p>`}
${
  rows.length > 0 &&
  markup`<details${open && markup` open=""`}><summary>${counted(runs.length, 'run')}</summary><div class="scroll"><table><thead><tr><th>status</th><th>run</th><th>digest</th><th class="number">seed</th>${metrics.map(metricHead)}</tr></thead>
<tbody>${rows.map((run) => runRows(run, metrics))}</tbody></table></div></details>`
}
${rows.length < runs.length && markup`<p class="note">The first ${rows.length} of ${runs.length}; results.csv has all.</p>`}</section>`;
}

function runRows(run: SweptRun, metrics: readonly string[]): Markup {
  const { status, name, key, seed, message } = run;
  const figures = metrics.map((metric) => {
    const value = metricOf(run, metric);
    return markup`<td class="number">${value === undefined ? '–' : shownNumber(value)}</td>`;
  });
  return markup`<tr><td class="${status}">${STATUS[status]}</td><td><bdi>${cutText(name, MAX_LABEL)}</bdi></td><td><code>${cutText(key, 16)}</code></td><td class="number">${seed}</td>${figures}</tr>
${
  message !== undefined &&
  message !== '' &&
  markup`<tr class="message"><td></td><td colspan="${3 + metrics.length}"><pre dir="auto">${cutText(message, MAX_MESSAGE)}</pre></td></tr>\n`
}`;
}
