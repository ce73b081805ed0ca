/** The frame of every view: title, ways to the views, theme. */
import type { SiteDescription } from '../src/site-contract.js';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { Boundary } from './parts/boundary.js';
import { useSignalValue } from './parts/signal-value.js';
import type { OpenedSite } from './opened-site.js';
import { hash, hashOf, parseRoute, type Route, type ViewName } from './route.js';
import { chooseTheme, theme, THEMES, type Theme } from './theme.js';
import { shownLine } from './text/token-text.js';
import { OverviewView } from './views/overview.js';
import { PairsView } from './views/pairs.js';
import { PairView } from './views/pair.js';
import { PolicyView } from './views/policy.js';
import { RunView } from './views/run.js';
import { SweepView } from './views/sweep.js';

const NAMES: Readonly<Record<ViewName, string>> = {
  overview: 'Overview',
  pairs: 'Pairs',
  pair: 'Pair',
  policy: 'Policy against reference',
  run: 'Run',
  sweep: 'Sweep',
};
const THEME_NAMES: Readonly<Record<Theme, string>> = {
  system: 'As the system',
  light: 'Light',
  dark: 'Dark',
};

/** Views that a site has something for; the first is where one begins. */
export function viewsOf({ kind, cache, run, sweep }: SiteDescription): ViewName[] {
  const ofCache: ViewName[] = cache ? ['overview', 'pairs'] : [];
  const ofRun: ViewName[] = run
    ? ['run', ...(cache && run.policies.length > 0 ? (['policy'] as const) : [])]
    : [];
  const ofSweep: ViewName[] = sweep ? ['sweep'] : [];
  return kind === 'cache' ? [...ofCache, ...ofRun, ...ofSweep] : [...ofSweep, ...ofRun, ...ofCache];
}

export function App({ site }: { site: OpenedSite }) {
  const { description } = site;
  const views = useMemo(() => viewsOf(description), [description]);
  const address = useSignalValue(hash);
  const route = useMemo(() => parseRoute(address, views[0] ?? 'overview'), [address, views]);
  const heading = useRef<HTMLHeadingElement>(null);
  const at = `${route.view}/${route.subject}`;
  const title = shownLine(description.title, 80);
  useEffect(() => {
    document.title = `${NAMES[route.view]}${route.subject && ` ${route.subject}`} · ${title}`;
  }, [at, title]);
  useFocusAfterMoves(heading, at);
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => (event.preventDefault(), heading.current?.focus())}>
        To the content
      </a>
      <header class="top">
        <div class="title">
          <span class="kind">{description.kind}</span>
          <bdi class="name">{title}</bdi>
        </div>
        <nav aria-label="Views">
          {views.map((view) => (
            <a key={view} href={hashOf(view)} aria-current={isAt(route, view) ? 'page' : undefined}>
              {NAMES[view]}
            </a>
          ))}
        </nav>
        <ThemeChoice />
      </header>
      <main id="content">
        <h1 ref={heading} tabIndex={-1}>
          {route.view === 'pair' ? `Pair ${shownLine(route.subject, 20)}` : NAMES[route.view]}
        </h1>
        <Boundary subject={at}>
          <View site={site} route={route} />
        </Boundary>
      </main>
    </>
  );
}

function isAt({ view }: Route, name: ViewName): boolean {
  return view === name || (view === 'pair' && name === 'pairs');
}

/** After a move to another view the focus stands at its heading, for those who listen or go by keys. */
function useFocusAfterMoves(heading: { current: HTMLElement | null }, at: string): void {
  const before = useRef(at);
  useEffect(() => {
    if (before.current === at) return;
    before.current = at;
    scrollTo(0, 0);
    heading.current?.focus({ preventScroll: true });
  }, [at]);
}

function View({ site, route }: { site: OpenedSite; route: Route }) {
  switch (route.view) {
    case 'overview':
      return <OverviewView site={site} />;
    case 'pairs':
      return <PairsView site={site} route={route} />;
    case 'pair':
      return <PairView site={site} route={route} />;
    case 'policy':
      return <PolicyView site={site} />;
    case 'run':
      return <RunView site={site} />;
    case 'sweep':
      return <SweepView site={site} />;
  }
}

function ThemeChoice() {
  const chosen = useSignalValue(theme);
  return (
    <label class="theme">
      <span class="unseen">Theme</span>
      <select value={chosen} onChange={(event) => chooseTheme(event.currentTarget.value as Theme)}>
        {THEMES.map((one) => (
          <option key={one} value={one}>
            {THEME_NAMES[one]}
          </option>
        ))}
      </select>
    </label>
  );
}
