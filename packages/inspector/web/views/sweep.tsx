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
  summaryOf,
  type Plot,
  type SweptRun,
} from '@selective-dpo/sweeps/plots';
import { useMemo, useRef, useState } from 'preact/hooks';
import type { SweepDescription } from '../../src/site-contract.js';
import { readSite } from '../files/site.js';
import { useLooks } from '../metrics/looks.js';
import { SweepTail } from '../metrics/sweep-tail.js';
import { drawnRuns, type FollowedRun } from '../metrics/swept-runs.js';
import type { OpenedSite } from '../opened-site.js';
import { Choice } from '../parts/choice.js';
import { Facts, shownCount } from '../parts/facts.js';
import { Problem } from '../parts/problem.js';
import { ShownPlot } from '../parts/shown-plot.js';
import { Unread } from '../parts/unread.js';
import { RunComparison } from './run-comparison.js';
import { countedStates } from './run-state.js';
import { RunTable } from './run-table.js';
import { tiedSettings } from './tied-settings.js';

/** Looks at metrics between two looks at how the runs stand. */
const ASK_EVERY = 3;
/** Lines with a colour of their own. */
const MAX_LINES = 6;

export function SweepView({ site }: { site: OpenedSite }) {
  const { sweep } = site.description;
  if (sweep === undefined) return <p class="note">This site has no sweep.</p>;
  return <FollowedSweep site={site} first={sweep} />;
}

interface ReadSweep {
  sweep: SweepDescription;
  runs: readonly FollowedRun[];
  unread: number;
}

function FollowedSweep({ site, first }: { site: OpenedSite; first: SweepDescription }) {
  const { read, problem } = useFollowed(site, first);
  return (
    <>
      {problem && <Problem problem={problem} />}
      {read === undefined ? (
        problem === undefined && <p class="waiting">Reading…</p>
      ) : (
        <SweepFigures {...read} />
      )}
    </>
  );
}

/** Reads the metrics of all runs now and, until all are finished, again and again. */
function useFollowed(site: OpenedSite, first: SweepDescription) {
  const tail = useMemo(() => new SweepTail(site.files), [site]);
  const sweep = useRef(first);
  const looks = useRef(0);
  const [read, setRead] = useState<ReadSweep>();
  const problem = useLooks(
    async (isThere) => {
      if (looks.current++ % ASK_EVERY === ASK_EVERY - 1)
        sweep.current = (await readSite(site.files)).sweep ?? sweep.current;
      const now = sweep.current;
      const news = await tail.follow(now);
      if (news && isThere()) setRead({ sweep: now, runs: tail.runsOf(now), unread: tail.unreadLines(now) });
      return !site.live || now.runs.every(({ state }) => state === 'finished');
    },
    [tail],
  );
  return { read, problem };
}

function SweepFigures({ sweep, runs, unread }: ReadSweep) {
  const keys = sweep.keys.filter((key) => key !== 'seed');
  const metrics = useMemo(() => metricsOf(drawnRuns(runs, keys).drawn), [runs]);
  const [chosen, setMetric] = useState<string>();
  const metric = chosen ?? metrics[0] ?? 'train/loss';
  const plots = useMemo(() => plotsOf(runs, keys, metric), [runs, metric]);
  const [compared, setCompared] = useState<readonly string[]>([]);
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
            value: shownCount(sweep.runs.length),
            note: countedStates(sweep.runs),
          },
          ...bestFacts(runs, keys, metric),
        ]}
      />
      {runs.length < sweep.runs.length && (
        <p class="notice" role="note">
          Figures are of the first {shownCount(runs.length)} of {shownCount(sweep.runs.length)} runs;
          results.csv in the sweep’s folder has all.
        </p>
      )}
      <Unread lines={unread} of=" of its runs" />
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

/** The best mean over seeds of finished runs; none where keys vary on which it depends what is measured. */
function bestFacts(runs: readonly SweptRun[], keys: readonly string[], metric: string) {
  if (incomparableKeys(metric, keys).length > 0) return [];
  const configurations = configurationsOf(runs, keys);
  // One alone is the best of nothing yet.
  if (configurations.filter(({ finished }) => finished.length > 0).length < 2) return [];
  const best = bestOf(configurations, metric);
  const summary = best && summaryOf(best, metric);
  if (best === undefined || summary === undefined) return [];
  return [
    {
      name: `Best${runs.some(({ status }) => status !== 'finished') ? ' of those finished,' : ''} by ${metric}, mean over seeds`,
      value: shownNumber(summary.mean),
      note: tiedSettings(configurations, best, metric, keys),
    },
  ];
}

function plotsOf(runs: readonly FollowedRun[], keys: readonly string[], metric: string): [string, Plot][] {
  const keyed = keyRoles(runs, keys).plotted.flatMap((role): [string, Plot][] => {
    const figure = keyFigure(runs, role, metric);
    return figure === undefined ? [] : [[role.key, keyPlot(figure)]];
  });
  const { drawn, keys: told } = drawnRuns(runs, keys);
  const curves = curveFigure(ranked(configurationsOf(drawn, told), metric), metric);
  if (curves === undefined) return keyed;
  const [lines, context] = [
    curves.curves.slice(0, MAX_LINES),
    curves.curves.slice(MAX_LINES, MAX_LINES + 30),
  ];
  return [...keyed, ['curves', curvePlot(curves, { lines, context, keys: told })]];
}
