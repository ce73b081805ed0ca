/** Which line is which. */
import { markup, Markup } from '../markup.js';
import { dashOf, lookClass, shapeOf, type Look } from './look.js';
import { px } from './scale.js';
import { textWidth } from './text-width.js';

export interface LegendEntry {
  label: string;
  look: Look;
  /** Points of the line have markers. */
  marked: boolean;
}

const [ROW, SAMPLE, GAP] = [18, 30, 16];

/** A legend in rows. @returns its markup with the height it takes, 0 for no entries. */
export function legend(
  entries: readonly LegendEntry[],
  [left, top, width]: readonly [left: number, top: number, width: number],
): { drawn: Markup; height: number } {
  let [x, y] = [left, top];
  const drawn: Markup[] = [];
  for (const entry of entries) {
    const wide = SAMPLE + textWidth(entry.label);
    if (x > left && x + wide > left + width) [x, y] = [left, y + ROW];
    drawn.push(legendEntry(entry, x, y));
    x += wide + GAP;
  }
  return { drawn: Markup.join(drawn), height: entries.length === 0 ? 0 : y - top + ROW };
}

function legendEntry({ label, look, marked }: LegendEntry, x: number, y: number): Markup {
  const dash = dashOf(look);
  return markup`<g transform="translate(${px(x)} ${px(y)})"><path class="line ${lookClass(look)}"${dash !== undefined && markup` stroke-dasharray="${dash}"`} d="M0 8h24"/>${
    marked &&
    markup`<g class="point ${lookClass(look)}" transform="translate(12 8)"><path d="${shapeOf(look)}"/></g>`
  }<text x="${SAMPLE}" y="12">${label}</text></g>`;
}
