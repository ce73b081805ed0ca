/** How swept keys and figures are named along an axis, and which keys have an axis of ratios. */
import { MAX_PLOT_LABEL } from '../bounds.js';
import { cutText, shownNumber } from '../shown-text.js';

/** A key or a figure as a plot names it. */
export function plotLabel(text: string): string {
  return cutText(text, MAX_PLOT_LABEL);
}

/** The name along the axis of a key. */
export function keyAxisName(key: string): string {
  return key === 'keep' ? 'keep (share of response tokens)' : plotLabel(key);
}

/** A value of a key of numbers at its tick. */
export function keyTickText(key: string, value: number): string {
  return key === 'keep' ? `${shownNumber(value * 100)}%` : shownNumber(value);
}

/** Whether equal ratios of a key should take equal lengths: beta and the learning rate, from a decade on. */
export function hasRatioAxis(key: string, low: number, high: number): boolean {
  return ['beta', 'learningRate'].includes(key) && low > 0 && high / low >= 10 * (1 - 1e-9);
}
