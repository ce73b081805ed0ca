/** A run: curves of every figure, live while it trains. */
import { shownNumber, type Plot } from '@selective-dpo/sweeps/plots';
import { useMemo, useRef, useState } from 'preact/hooks';
import type { RunDescription } from '../../src/site-contract.js';
import { readSite } from '../files/site.js';
import { useLooks } from '../metrics/looks.js';
import { MetricsTail, type RunFigures } from '../metrics/metrics-tail.js';
import type { OpenedSite } from '../opened-site.js';
import { Facts, shownCount } from '../parts/facts.js';
import { Problem } from '../parts/problem.js';
import { ShownPlot } from '../parts/shown-plot.js';
import { Unread } from '../parts/unread.js';
import { metricCurves } from '../plots/metric-curves.js';
import { shownLine } from '../text/token-text.js';
import { ConfigTable } from './config-table.js';

/** Looks without anything new between two looks at whether the run has finished. */
const ASK_AFTER = 3;
/** Figures that come first, in order. */
const FIRST = ['loss', 'rewards/accuracies', 'rewards/margins', 'logps/accuracies'];
/** Groups that stand below, closed. */
const MACHINE = /^(?:seconds|memory)\/|\/s$|^(?:lr|epoch)$/;

export function RunView({ site }: { site: OpenedSite }) {
  const { run } = site.description;
  if (run === undefined) return <p class="note">This site has no run.</p>;
  return <RunFiguresView site={site} run={run} />;
}

function RunFiguresView({ site, run }: { site: OpenedSite; run: RunDescription }) {
  const { figures, finished, problem } = useFollowed(site, run);
  const metrics = useMemo(() => metricsOf(figures), [figures]);
  const [method, machine] = [
    metrics.filter((name) => !MACHINE.test(name)),
    metrics.filter((name) => MACHINE.test(name)),
  ];
  return (
    <>
      {problem && <Problem problem={problem} />}
      <p class="state" role="status">
        <span class={finished ? 'tag' : 'tag live'}>{finished ? 'finished' : 'training'}</span>{' '}
        {shownCount(figures.steps)} steps
      </p>
      <Unread lines={figures.odd + Number(finished && figures.cut)} />
      <LastFigures figures={figures} />
      <Curves figures={figures} metrics={method} />
      {machine.length > 0 && (
        <details>
          <summary>Time, memory and learning rate</summary>
          <Curves figures={figures} metrics={machine} />
        </details>
      )}
      <section>
        <h2>Configuration</h2>
        <ConfigTable configs={[['value', run.config]]} />
      </section>
    </>
  );
}

/** Reads the metrics now and, while the run trains, again and again. */
function useFollowed(site: OpenedSite, run: RunDescription) {
  const tail = useMemo(() => new MetricsTail(site.files, run.metrics), [site, run]);
  const [figures, setFigures] = useState<RunFigures>(tail.figures);
  const [finished, setFinished] = useState(run.finished);
  const quiet = useRef(0);
  const problem = useLooks(
    async (isThere) => {
      const grown = await tail.follow();
      quiet.current = grown ? 0 : quiet.current + 1;
      let done = run.finished;
      if (!done && site.live && quiet.current > 0 && quiet.current % ASK_AFTER === 0)
        done = (await readSite(site.files)).run?.finished ?? false;
      if (isThere()) {
        if (grown) setFigures(tail.figures);
        setFinished(done);
      }
      return done || !site.live;
    },
    [tail],
  );
  return { figures, finished, problem };
}

/** Names without the split, the useful ones first. */
function metricsOf({ curves }: RunFigures): string[] {
  const names = new Set([...curves.keys()].map((full) => full.slice(full.indexOf('/') + 1)));
  const rank = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  return [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function LastFigures({ figures: { last } }: { figures: RunFigures }) {
  const facts = FIRST.flatMap((name) =>
    ['eval', 'train'].flatMap((split) => {
      const value = last.get(`${split}/${name}`);
      return value === undefined ? [] : [{ name: `${name} (${split})`, value: shownNumber(value) }];
    }),
  ).slice(0, 8);
  return <Facts facts={facts} />;
}

function Curves({ figures: { curves }, metrics }: { figures: RunFigures; metrics: readonly string[] }) {
  const plots = metrics.flatMap((metric): { metric: string; plot: Plot }[] => {
    const lines = [...curves].flatMap(([full, points]) => {
      const split = full.slice(0, full.indexOf('/'));
      return full === `${split}/${metric}` ? [[shownLine(split, 20), points] as const] : [];
    });
    const plot = metricCurves(metric, lines);
    return plot === undefined ? [] : [{ metric, plot }];
  });
  if (plots.length === 0) return <p class="note">No figure has two values yet.</p>;
  return (
    <div class="plots">
      {plots.map(({ metric, plot }) => (
        <ShownPlot key={metric} plot={plot} />
      ))}
    </div>
  );
}
