/** Runs as the report of a sweep sees them, so that its figures and plots serve here. */
import type { SweptRun } from '@selective-dpo/sweeps/plots';
import type { SweptRunDescription, SweptRunState } from '../../src/site-contract.js';
import type { RunFigures } from './metrics-tail.js';

/** A run as the report sees it, and how it stands. Unless it is finished its figures are those so far: no results. */
export interface FollowedRun extends SweptRun {
  state: SweptRunState;
  /** Optimiser steps done. */
  steps: number;
}

/** A run with its figures. */
export function sweptRun(
  { name, state, config }: SweptRunDescription,
  keys: readonly string[],
  figures: RunFigures | undefined,
): FollowedRun {
  const own = (key: string): unknown => (Object.hasOwn(config, key) ? config[key] : undefined);
  const values = keys.flatMap((key) => {
    const value = own(key);
    return key !== 'seed' && ['string', 'number', 'boolean'].includes(typeof value)
      ? [[key, value as string]]
      : [];
  });
  const seed = own('seed');
  return {
    ...{ name, key: name, seed: typeof seed === 'number' ? seed : 0 },
    ...{ state, steps: figures?.steps ?? 0 },
    status: state === 'finished' || state === 'failed' ? state : 'missing',
    values: Object.fromEntries(values),
    metrics: Object.fromEntries(figures?.last ?? []),
    curves: Object.fromEntries(figures?.curves ?? []),
  };
}

/** The key that tells runs which are not finished from those that are. */
const STATE_KEY = 'state';

/**
 * All runs with curves, as if they were finished.
 * @returns also the keys that tell them apart: how they stand comes first where some are not finished.
 */
export function drawnRuns(
  runs: readonly FollowedRun[],
  keys: readonly string[],
): { drawn: SweptRun[]; keys: readonly string[] } {
  const curved = runs.filter(({ curves }) => Object.keys(curves).length > 0);
  if (curved.every(({ status }) => status === 'finished')) return { drawn: curved, keys };
  const drawn = curved.map((run) => ({
    ...run,
    status: 'finished' as const,
    values: { ...run.values, [STATE_KEY]: run.state },
  }));
  return { drawn, keys: [STATE_KEY, ...keys] };
}

/** Lines of one plot: the curves of one figure under names. All are drawn, finished or not. */
export function namedCurves(
  metric: string,
  curves: readonly (readonly [name: string, points: SweptRun['curves'][string]])[],
) {
  return curves.map(([name, points]): SweptRun => {
    const base = { name, key: name, seed: 0, status: 'finished' as const, metrics: {} };
    return { ...base, values: { run: name }, curves: Object.fromEntries([[metric, points]]) };
  });
}
