/** Two runs beside each other. */
import type { Plot, SweptRun } from '@selective-dpo/sweeps/plots';
import { useMemo } from 'preact/hooks';
import { ShownPlot } from '../parts/shown-plot.js';
import { metricCurves } from '../plots/metric-curves.js';
import { ConfigTable } from './config-table.js';

/** Clocks and memory say nothing of the method. */
const MACHINE = /\/(?:seconds|memory)\/|\/s$/;

interface ComparedRun {
  run: SweptRun;
  config: Readonly<Record<string, unknown>>;
}

export function RunComparison({ pair }: { pair: readonly ComparedRun[] }) {
  const plots = useMemo(
    () => plotsOf(pair.map(({ run }) => run)),
    [pair.map(({ run }) => run.name).join('\n')],
  );
  return (
    <section aria-label="Comparison">
      <h2>Two runs</h2>
      <h3>What differs in their configurations</h3>
      <ConfigTable differing configs={pair.map(({ run, config }) => [run.name, config] as const)} />
      <h3>Their curves</h3>
      <div class="plots">
        {plots.map(([metric, plot]) => (
          <ShownPlot key={metric} plot={plot} />
        ))}
      </div>
    </section>
  );
}

function plotsOf(runs: readonly SweptRun[]): [string, Plot][] {
  const metrics = [...new Set(runs.flatMap((run) => Object.keys(run.curves)))]
    .filter((name) => !MACHINE.test(name))
    .sort();
  return metrics.flatMap((metric): [string, Plot][] => {
    const lines = runs.flatMap(({ name, curves }) =>
      Object.hasOwn(curves, metric) ? [[name, curves[metric]!] as const] : [],
    );
    const plot = metricCurves(metric, lines);
    return plot === undefined ? [] : [[metric, plot]];
  });
}
