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
  const affected = metrics.filter((metric) => incomparableKeys(metric, sweptKeys).length > 0);
  if (affected.length === 0) return undefined;
  const keys = sweptKeys.filter((key) =>
    affected.some((metric) => incomparableKeys(metric, [key]).length > 0),
  );
  return `${namesOf(affected)}: what these measure depends on ${namesOf(keys)}; compare them only between runs that agree in those.`;
}
