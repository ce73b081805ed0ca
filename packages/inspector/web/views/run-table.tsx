/** The runs of a sweep. */
import { directionOf, metricOf, shownNumber, shownValue, valueOf } from '@selective-dpo/sweeps/plots';
import { useState } from 'preact/hooks';
import type { FollowedRun } from '../metrics/swept-runs.js';
import { shownLine } from '../text/token-text.js';
import { stateText } from './run-state.js';

/** Rows that are drawn. */
const MAX_ROWS = 500;
/** Characters of a heading and of a value. */
const [MAX_HEAD, MAX_VALUE] = [40, 60];

interface RunTableProps {
  runs: readonly FollowedRun[];
  keys: readonly string[];
  metrics: readonly string[];
  compared: readonly string[];
  onToggle: (name: string) => void;
}

export function RunTable(props: RunTableProps) {
  const { runs, keys, metrics } = props;
  const [sort, setSort] = useState(metrics[0] ?? '');
  const sign = directionOf(sort) === 'lower' ? 1 : -1;
  // Runs without a value stand last.
  const valueFor = (run: FollowedRun) => metricOf(run, sort) ?? sign * Infinity;
  const sorted = [...runs].sort((a, b) => sign * (valueFor(a) - valueFor(b)) || (a.name < b.name ? -1 : 1));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Runs">
      <table class="runs">
        <thead>
          <tr>
            {['compare', 'run', 'state', ...keys].map((head) => (
              <th scope="col" key={head}>
                {shownLine(head, MAX_HEAD)}
              </th>
            ))}
            {metrics.map((metric) => (
              <th
                scope="col"
                class="number"
                key={metric}
                aria-sort={metric === sort ? (sign > 0 ? 'ascending' : 'descending') : 'none'}
              >
                <button type="button" class="quiet" onClick={() => setSort(metric)}>
                  {shownLine(metric, MAX_HEAD)}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, MAX_ROWS).map((run) => (
            <RunRow key={run.name} {...props} run={run} />
          ))}
        </tbody>
      </table>
      {sorted.length > MAX_ROWS && <p class="note">{sorted.length - MAX_ROWS} more runs are not shown.</p>}
    </div>
  );
}

function RunRow({ run, keys, metrics, compared, onToggle }: RunTableProps & { run: FollowedRun }) {
  return (
    <tr>
      <td>
        <input
          type="checkbox"
          aria-label={`compare ${shownLine(run.name, MAX_VALUE)}`}
          checked={compared.includes(run.name)}
          onChange={() => onToggle(run.name)}
        />
      </td>
      <th scope="row">
        <bdi>{shownLine(run.name, MAX_VALUE)}</bdi>
      </th>
      <td class={`state-${run.state}`}>{stateText(run)}</td>
      {keys.map((key) => (
        <td key={key}>
          <bdi>{shownLine(shownValue(valueOf(run, key)), MAX_VALUE)}</bdi>
        </td>
      ))}
      {metrics.map((metric) => {
        const value = metricOf(run, metric);
        return (
          <td class="number" key={metric}>
            {value === undefined ? '–' : shownNumber(value)}
          </td>
        );
      })}
    </tr>
  );
}
