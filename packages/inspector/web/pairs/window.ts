/** Which rows of a long list are in sight. */

/** Browsers draw no element taller than some 33 million pixels; a longer list scrolls faster than its rows. */
export const MAX_HEIGHT = 15_000_000;

export interface ListWindow {
  /** First row and the row behind the last. */
  first: number;
  end: number;
  /** Pixels from the top of the list to the first row. */
  offset: number;
  /** Pixels of the whole list. */
  height: number;
}

/** Rows drawn above and below those in sight. */
const MARGIN = 6;

/** @param scroll pixels scrolled. @param view pixels in sight. @param row pixels of a row. */
export function listWindow(count: number, scroll: number, view: number, row: number): ListWindow {
  const whole = count * row;
  const height = Math.min(whole, MAX_HEIGHT);
  const share = height > view ? Math.min(1, Math.max(0, scroll / (height - view))) : 0;
  // Where the list would be scrolled to if it were as tall as its rows.
  const ideal = share * Math.max(0, whole - view);
  const first = Math.max(0, Math.floor(ideal / row) - MARGIN);
  const end = Math.min(count, Math.ceil((ideal + view) / row) + MARGIN);
  return { first, end, offset: Math.max(0, Math.min(scroll, height - view)) - (ideal - first * row), height };
}

/** Pixels to scroll to so that a row is in sight; `scroll` where it is already. */
export function scrollToRow(index: number, count: number, scroll: number, view: number, row: number): number {
  const { height } = listWindow(count, scroll, view, row);
  const whole = count * row;
  if (height <= view) return 0;
  const scale = (height - view) / (whole - view);
  const ideal = scroll / scale;
  if (index * row < ideal) return index * row * scale;
  if ((index + 1) * row > ideal + view) return ((index + 1) * row - view) * scale;
  return scroll;
}
