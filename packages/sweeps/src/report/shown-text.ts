/** Texts and numbers as a reader sees them. */

/** A text cut to `limit` characters (UTF-16 units), with a sign that it was. */
export function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  // Half a character at the end would be no character.
  const kept = text.slice(0, limit - 1).replace(/[\ud800-\udbff]$/, '');
  return `${kept}…`;
}

const MINUS = '−';
const DIGITS = 4;

/** A figure with four significant digits: `0.8125`, `3e-5`, `−12.5`, `∞`, `NaN`. */
export function shownNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : `${MINUS}∞`;
  const size = Math.abs(value);
  const rounded =
    size !== 0 && (size < 1e-4 || size >= 1e7)
      ? value.toExponential(DIGITS - 2).replace(/\.?0+e/, 'e')
      : String(Number(value.toPrecision(DIGITS)));
  return rounded.replace('e+', 'e').replaceAll('-', MINUS);
}

/** A mean with as many decimals as its half interval has meaning: `0.812 ± 0.034`. */
export function shownMean(mean: number, half: number | undefined): string {
  if (half === undefined || !Number.isFinite(half)) return shownNumber(mean);
  if (half === 0) return `${shownNumber(mean)} ± 0`;
  const decimals = Math.max(0, 1 - Math.floor(Math.log10(half)));
  if (decimals > 6 || half >= 1e6 || Math.abs(mean) >= 1e7)
    return `${shownNumber(mean)} ± ${shownNumber(half)}`;
  return `${mean.toFixed(decimals)} ± ${half.toFixed(decimals)}`.replace('-', MINUS);
}

/** "1 run", "2 runs". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
