/** Runs as the report of a sweep sees them, so that its figures and plots serve here. */
import type { SweptRun } from '@selective-dpo/sweeps/plots';
import type { SweptRunDescription } from '../../src/site-contract.js';
import type { RunFigures } from './metrics-tail.js';

/** A run with its figures. */
export function sweptRun(
  { name, state, config }: SweptRunDescription,
  keys: readonly string[],
  figures: RunFigures | undefined,
): SweptRun {
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
    status: state === 'unfinished' ? 'missing' : state,
    values: Object.fromEntries(values),
    metrics: state === 'finished' ? Object.fromEntries(figures?.last ?? []) : {},
    curves: Object.fromEntries(figures?.curves ?? []),
  };
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
