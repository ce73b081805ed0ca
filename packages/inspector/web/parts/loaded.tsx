/** Things that are read before they are shown. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { asProblem, type SiteProblem } from '../files/site-problem.js';
import { Problem } from './problem.js';

export type Loaded<T> =
  { state: 'loading' } | { state: 'ready'; value: T } | { state: 'problem'; problem: SiteProblem };

/** Loads when something it depends on changes; what was loaded before stays until then where `keep` is set. */
export function useLoaded<T>(load: () => Promise<T>, dependsOn: readonly unknown[], keep = false): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ state: 'loading' });
  useEffect(() => {
    let current = true;
    if (!keep) setLoaded({ state: 'loading' });
    const show = (next: Loaded<T>) => current && setLoaded(next);
    Promise.resolve()
      .then(load)
      .then(
        (value) => show({ state: 'ready', value }),
        (error: unknown) => show({ state: 'problem', problem: asProblem(error) }),
      );
    return () => {
      current = false;
    };
  }, dependsOn as unknown[]);
  return loaded;
}

/** What is loaded, or how it stands. */
export function Show<T>({ of, children }: { of: Loaded<T>; children: (value: T) => ComponentChildren }) {
  if (of.state === 'loading') return <p class="waiting">Reading…</p>;
  if (of.state === 'problem') return <Problem problem={of.problem} />;
  return <>{children(of.value)}</>;
}
