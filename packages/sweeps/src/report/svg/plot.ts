/** A plot: title, axes with a grid, what stands between them, legend, notes. */
import { markup, type Markup } from '../markup.js';
import { legend, type LegendEntry } from './legend.js';
import { px, type Scale } from './scale.js';
import { textWidth, wrapText } from './text-width.js';
import type { Tick } from './ticks.js';

/** Width of every plot in pixels. */
export const PLOT_WIDTH = 480;
const [TOP, RIGHT, NOTE] = [38, 14, 15];
const NOTE_SIZE = 11;

/** Where the axes are, in pixels. */
export interface PlotArea {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** An axis that stands in its place. */
export interface Axis {
  label: string;
  at: Scale['at'];
  ticks: readonly Tick[];
}

export interface Plot {
  title: string;
  area: PlotArea;
  x: Axis;
  y: Omit<Axis, 'label'>;
  /** From back to front. */
  marks: readonly Markup[];
  legend: readonly LegendEntry[];
  notes: readonly string[];
}

/** Room for axes whose vertical one has these texts. @param height of the area in pixels. */
export function plotArea(yTicks: readonly Tick[], height: number): PlotArea {
  const widest = yTicks.reduce((wide, { text }) => Math.max(wide, textWidth(text)), 0);
  const left = Math.min(Math.round(PLOT_WIDTH * 0.45), Math.round(16 + widest));
  return { left, right: PLOT_WIDTH - RIGHT, top: TOP, bottom: TOP + height };
}

/** The ticks whose texts have room beside each other, from the first on. @param at places in pixels. */
export function ticksWithRoom(ticks: readonly Tick[], at: (value: number) => number): Tick[] {
  let end = -Infinity;
  return ticks.filter(({ value, text }) => {
    const half = textWidth(text) / 2;
    if (at(value) - half < end) return false;
    end = at(value) + half + 6;
    return true;
  });
}

/** The drawing as SVG. @param attributes of the root element besides its size. @param ground drawn before all else. */
export function drawPlot(plot: Plot, attributes: Markup, ground?: Markup): Markup {
  const { area, title, x, y } = plot;
  const below = area.bottom + 46;
  const key = legend(plot.legend, [12, below, PLOT_WIDTH - 24]);
  const notes = plot.notes.flatMap((note) => wrapText(note, PLOT_WIDTH - 24, NOTE_SIZE));
  const notesTop = below + key.height + 10;
  const height = Math.ceil(notesTop + notes.length * NOTE);
  return markup`<svg ${attributes} viewBox="0 0 ${PLOT_WIDTH} ${height}" width="${PLOT_WIDTH}" height="${height}" role="img" aria-label="${title}">${ground}
<text class="heading" x="12" y="20">${title}</text>
${y.ticks.map((tick) => yTick(tick, y, area))}${x.ticks.map((tick) => xTick(tick, x, area))}
<path class="axis" d="M${px(area.left)} ${px(area.bottom)}H${px(area.right)}"/>
<text class="name" x="${px((area.left + area.right) / 2)}" y="${px(area.bottom + 36)}">${x.label}</text>
${plot.marks}
${key.drawn}
${notes.map((text, index) => markup`<text class="note" x="12" y="${px(notesTop + index * NOTE)}">${text}</text>`)}
</svg>`;
}

function yTick({ value, text }: Tick, { at }: Pick<Axis, 'at'>, { left, right }: PlotArea): Markup {
  return markup`<g class="tick y" transform="translate(${px(left)} ${px(at(value))})"><path d="M0 0H${px(right - left)}"/><text x="-8" y="4">${text}</text></g>`;
}

function xTick({ value, text }: Tick, { at }: Pick<Axis, 'at'>, { top, bottom }: PlotArea): Markup {
  return markup`<g class="tick x" transform="translate(${px(at(value))} ${px(bottom)})"><path d="M0 0V${px(top - bottom)}"/><text y="17">${text}</text></g>`;
}
