import type { OptionReader } from '../options.js';

/** Seconds since 1970 by `--timestamp`, where that is given, so that equal runs write equal files; else by the clock. */
export function timestampClock(options: OptionReader): () => number {
  const fixed = options.whole('timestamp', '--timestamp', 0);
  return fixed === undefined ? () => Date.now() / 1000 : () => fixed;
}
