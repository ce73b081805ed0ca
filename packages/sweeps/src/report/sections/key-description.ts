/** Sentences on keys and figures that several sections need. */
import { incomparableKeys } from '../figures/metrics.js';
import { cutText } from '../shown-text.js';
import { MAX_LABEL } from '../bounds.js';

/** Names with commas, cut. */
export function namesOf(keys: readonly string[]): string {
  return cutText(keys.join(', '), MAX_LABEL);
}

/** What must not be compared in a sweep of these keys; undefined where nothing is in the way. */
export function comparisonWarning(
  metrics: readonly string[],
  sweptKeys: readonly string[],
): string | undefined {
  const affected = metrics
    .map((metric) => ({ metric, keys: incomparableKeys(metric, sweptKeys) }))
    .filter(({ keys }) => keys.length > 0)
    .map(({ metric, keys }) => `${cutText(metric, MAX_LABEL)} (${namesOf(keys)})`);
  if (affected.length === 0) return undefined;
  return `Compare only between runs that agree in the keys in brackets, on which it depends what is measured: ${affected.join(', ')}.`;
}
