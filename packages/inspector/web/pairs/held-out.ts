/** Which pairs a run held out of its training. */
import { splitRows } from '@selective-dpo/data/splits';

/** Rows of a cache that are split at most: 4 bytes each are held. */
const MAX_ROWS = 20_000_000;

/**
 * The pairs that a run held out, by the trainer's own split.
 * @param rows of the whole cache.
 * @param config of the run.
 * @returns undefined where the configuration does not say.
 */
export function heldOutPairs(
  rows: number,
  config: Readonly<Record<string, unknown>>,
): ReadonlySet<number> | undefined {
  const own = (key: string): unknown => (Object.hasOwn(config, key) ? config[key] : undefined);
  const [share, seed] = [own('evalFraction'), own('seed')];
  if (
    typeof share !== 'number' ||
    !(share >= 0 && share < 1) ||
    !Number.isSafeInteger(seed) ||
    rows > MAX_ROWS
  )
    return undefined;
  return new Set(splitRows(rows, share, seed as number).eval);
}
