/** Round values along an axis. */
import { shownNumber } from '../shown-text.js';

/** A mark on an axis with its text. */
export interface Tick {
  value: number;
  text: string;
}

const MAX_TICKS = 12;

/** The extent of values with some air around; a single value gets a domain around it. @param values finite, at least one. */
export function paddedDomain(values: Iterable<number>): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const span = high / 2 - low / 2;
  if (span <= 1e-12 * Math.max(Math.abs(low), Math.abs(high)) || span < 1e-290) {
    const around = Math.max(Math.abs(low) * 0.1, 1e-3);
    return [low - around, high + around];
  }
  const air = Math.min(span / 10, Number.MAX_VALUE / 4);
  return [Math.max(low - air, -Number.MAX_VALUE), Math.min(high + air, Number.MAX_VALUE)];
}

/**
 * Steps of 1, 2 or 5 times a power of ten.
 * @param domain low < high.
 * @param about how many ticks there should be.
 * @param least smallest step, e.g. 1 for counts.
 */
export function linearTicks([low, high]: readonly [number, number], about: number, least = 0): Tick[] {
  const step = niceStep(Math.max(least, (high / 2 - low / 2) / (about / 2)));
  const first = Math.ceil(low / step - 1e-9);
  const values: number[] = [];
  for (let k = 0; k < MAX_TICKS && (first + k) * step <= high + step * 1e-9; k++) {
    values.push((first + k) * step);
  }
  return values.filter(Number.isFinite).map((value) => ({ value, text: stepText(value, step) }));
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5].find((nice) => nice * power >= rough * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** A tick's value with the digits that its step has. */
function stepText(value: number, step: number): string {
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  if (decimals > 8 || Math.abs(value) >= 1e7) return shownNumber(Math.abs(value) < step / 2 ? 0 : value);
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−');
}

/** 1, 2 and 5, or 1 and 3, or 1 alone times powers of ten, as the decades give room. @param domain 0 < low < high. */
export function logTicks([low, high]: readonly [number, number], about: number): Tick[] {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const decades = Math.log10(high) - Math.log10(low);
  const factors = decades * 3 <= about ? [1, 2, 5] : decades * 2 <= about ? [1, 3] : [1];
  const stride = Math.max(1, Math.ceil(decades / about));
  const ticks: Tick[] = [];
  for (let power = first; power <= last; power++) {
    if (power % stride !== 0) continue;
    for (const factor of factors) {
      const value = Number(`${factor}e${power}`);
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9))
        ticks.push({ value, text: shownNumber(value) });
    }
  }
  return ticks;
}
