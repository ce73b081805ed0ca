/** The settings that share a best value. */
import { shownSetting, summaryOf, type configurationsOf } from '@selective-dpo/sweeps/plots';

type Configuration = ReturnType<typeof configurationsOf>[number];

/** Settings that are named. */
const NAMED = 3;
/** Means of the same values in another order differ by no more, relatively. */
const ROUNDING = 1e-12;

/** `keep=0.4`; where others have the same mean: `a tie of keep=0.4 and keep=1`. A configuration with values that are not finite ties with none. */
export function tiedSettings(
  configurations: readonly Configuration[],
  best: Configuration,
  metric: string,
  keys: readonly string[],
): string {
  const { mean } = summaryOf(best, metric)!;
  const tied = configurations.filter((one) => {
    const summary = summaryOf(one, metric);
    return summary?.notFinite === 0 && Math.abs(summary.mean - mean) <= ROUNDING * Math.abs(mean);
  });
  if (tied.length < 2) return shownSetting(best, keys);
  const named = tied.slice(0, NAMED).map((one) => shownSetting(one, keys));
  const more = tied.length - named.length;
  const last = more > 0 ? `${more} more` : named.pop()!;
  return `a tie of ${named.join('; ')} and ${last}`;
}
