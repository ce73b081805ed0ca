/** A sweep: figures against its keys, its runs, and two of them beside each other. */
import {
  bestOf,
  curveFigure,
  curvePlot,
  configurationsOf,
  incomparableKeys,
  keyFigure,
  keyPlot,
  keyRoles,
  ranked,
  shownMetrics,
  shownNumber,
  shownSetting,
  summaryOf,
  type Plot,
  type SweptRun,
} from '@selective-dpo/sweeps/plots';
import { useMemo, useState } from 'preact/hooks';
import type { SweepDescription } from '../../src/site-contract.js';
import { MetricsTail } from '../metrics/metrics-tail.js';
import { sweptRun } from '../metrics/swept-runs.js';
import type { OpenedSite } from '../opened-site.js';
import { Choice } from '../parts/choice.js';
import { Facts } from '../parts/facts.js';
import { Show, useLoaded } from '../parts/loaded.js';
import { ShownPlot } from '../parts/shown-plot.js';
import { RunComparison } from './run-comparison.js';
import { RunTable } from './run-table.js';

/** Files of metrics that are read at the same time, runs that are read, and points of a curve where runs are many. */
const [AT_ONCE, MAX_RUNS, FEW_POINTS] = [6, 2000, 60];
const MANY_RUNS = 50;
/** Lines with a colour of their own. */
const MAX_LINES = 6;

export function SweepView({ site }: { site: OpenedSite }) {
  const { sweep } = site.description;
  const runs = useLoaded(() => readRuns(site, sweep!), [site, sweep]);
  if (sweep === undefined) return <p class="note">This site has no sweep.</p>;
  return <Show of={runs}>{(read) => <SweepFigures sweep={sweep} runs={read} />}</Show>;
}

/** All runs with their figures; memory holds 400 points a curve, 60 where runs are many. */
async function readRuns({ files }: OpenedSite, { runs, keys }: SweepDescription): Promise<SweptRun[]> {
  const wanted = runs.slice(0, MAX_RUNS);
  const read: SweptRun[] = [];
  let next = 0;
  const work = async () => {
    while (next < wanted.length) {
      const at = next++;
      const run = wanted[at]!;
      const tail = new MetricsTail(files, run.metrics, wanted.length > MANY_RUNS ? FEW_POINTS : undefined);
      const begun = await tail.follow().catch((error: unknown) => {
        if (run.state === 'finished') throw error;
        return false;
      });
      read[at] = sweptRun(run, keys, begun ? tail.figures : undefined);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return read;
}

function SweepFigures({ sweep, runs }: { sweep: SweepDescription; runs: readonly SweptRun[] }) {
  const keys = sweep.keys.filter((key) => key !== 'seed');
  const metrics = useMemo(() => metricsOf(runs), [runs]);
  const [chosen, setMetric] = useState<string>();
  const metric = chosen ?? metrics[0] ?? 'train/loss';
  const plots = useMemo(() => plotsOf(runs, keys, metric), [runs, metric]);
  const [compared, setCompared] = useState<readonly string[]>([]);
  const finished = runs.filter(({ status }) => status === 'finished').length;
  const failed = runs.filter(({ status }) => status === 'failed').length;
  const toggle = (name: string) =>
    setCompared(
      compared.includes(name) ? compared.filter((one) => one !== name) : [...compared, name].slice(-2),
    );
  return (
    <>
      <Facts
        facts={[
          {
            name: 'Runs',
            value: runs.length,
            note: `${finished} finished${failed > 0 ? `, ${failed} failed` : ''}`,
          },
          ...bestFacts(runs, keys, metric),
        ]}
      />
      <div class="bar">
        <Choice
          label="Figure"
          value={metric}
          options={metrics.map((name) => [name, name] as const)}
          onChoose={setMetric}
        />
      </div>
      {plots.length === 0 && <p class="note">No key has two values with this figure.</p>}
      <div class={`plots${plots.length <= 2 ? ' two' : ''}`}>
        {plots.map(([name, plot]) => (
          <ShownPlot key={name} plot={plot} />
        ))}
      </div>
      <section>
        <h2>Runs</h2>
        <p class="note">Choose two to see them beside each other.</p>
        <RunTable
          {...{ runs, keys, compared }}
          metrics={[...new Set([metric, ...metrics])].slice(0, 5)}
          onToggle={toggle}
        />
      </section>
      {compared.length === 2 && (
        <RunComparison
          pair={compared.map((name) => ({
            run: runs.find((run) => run.name === name)!,
            config: sweep.runs.find((run) => run.name === name)!.config,
          }))}
        />
      )}
    </>
  );
}

/** The useful figures first, then all others. */
function metricsOf(runs: readonly SweptRun[]): string[] {
  const report = { title: '', runs, sweptKeys: [], metric: 'eval/rewards/accuracies' };
  const all = new Set(runs.flatMap((run) => Object.keys(run.metrics)));
  return [...new Set([...shownMetrics(report), ...[...all].sort()])].filter((name) => all.has(name));
}

/** The best mean over seeds; none where keys vary on which it depends what is measured. */
function bestFacts(runs: readonly SweptRun[], keys: readonly string[], metric: string) {
  if (incomparableKeys(metric, keys).length > 0) return [];
  const best = bestOf(configurationsOf(runs, keys), metric);
  const summary = best && summaryOf(best, metric);
  if (best === undefined || summary === undefined) return [];
  return [
    {
      name: `Best by ${metric}, mean over seeds`,
      value: shownNumber(summary.mean),
      note: shownSetting(best, keys),
    },
  ];
}

function plotsOf(runs: readonly SweptRun[], keys: readonly string[], metric: string): [string, Plot][] {
  const keyed = keyRoles(runs, keys).plotted.flatMap((role): [string, Plot][] => {
    const figure = keyFigure(runs, role, metric);
    return figure === undefined ? [] : [[role.key, keyPlot(figure)]];
  });
  const curves = curveFigure(ranked(configurationsOf(runs, keys), metric), metric);
  if (curves === undefined) return keyed;
  const [lines, context] = [
    curves.curves.slice(0, MAX_LINES),
    curves.curves.slice(MAX_LINES, MAX_LINES + 30),
  ];
  return [...keyed, ['curves', curvePlot(curves, { lines, context, keys })]];
}
