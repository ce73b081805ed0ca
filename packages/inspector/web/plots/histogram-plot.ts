/** A histogram with its quantiles. */
import {
  linearScale,
  linearTicks,
  markup,
  plotArea,
  px,
  shownNumber,
  ticksWithRoom,
  type Look,
  type Plot,
} from '@selective-dpo/sweeps/plots';
import type { Histogram, Spread } from '../../src/site-contract.js';

const HEIGHT = 170;

export interface HistogramLook {
  title: string;
  /** Name of the axis, with the unit. */
  axis: string;
  look: Look;
  /** A value to draw a line at, e.g. where a margin changes sides. */
  mark?: number;
  /** Values below it are drawn as what goes wrong. */
  wrongBelow?: number;
}

/** Bars over the bins of a spread. @returns undefined where it has no values. */
export function histogramPlot(
  { histogram, total, quantiles, mean, min, max }: Spread,
  look: HistogramLook,
): Plot | undefined {
  if (total === 0 || histogram.counts.length === 0) return undefined;
  const [q5, , median, , q95] = quantiles;
  const figures = [
    ['mean', mean],
    ['median', median],
    ['5%', q5],
    ['95%', q95],
    ['smallest', min],
    ['largest', max],
  ] as const;
  const beyond = min < histogram.edges[0]! || max > histogram.edges.at(-1)!;
  const ends = beyond ? '. The bars at the ends hold what lies beyond, too.' : '';
  const note = figures.map(([name, value]) => `${name} ${shownNumber(value)}`).join(' · ') + ends;
  return barPlot(histogram, look, note);
}

function barPlot(
  { edges, counts }: Histogram,
  { title, axis, look, mark, wrongBelow }: HistogramLook,
  note: string,
): Plot {
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  const yTicks = linearTicks([0, most], 4, 1);
  const area = plotArea(yTicks, HEIGHT);
  const y = linearScale([0, most], [area.bottom, area.top]);
  const [low, high] = [edges[0]!, edges.at(-1)!];
  const domain: [number, number] = low < high ? [low, high] : [low - 0.5, low + 0.5];
  const x = linearScale(domain, [area.left, area.right]);
  const bars = counts.map((count, i) => {
    const [from, to] = [x.at(edges[i]!), x.at(edges[i + 1]!)];
    const wrong = wrongBelow !== undefined && edges[i + 1]! <= wrongBelow;
    const place = markup`x="${px(from)}" y="${px(y.at(count))}" width="${px(Math.max(0.6, to - from - 1))}" height="${px(area.bottom - y.at(count))}"`;
    const hint = `${shownNumber(edges[i]!)} to ${shownNumber(edges[i + 1]!)}: ${shownNumber(count)}`;
    return markup`<g class="bar ${wrong ? 's1' : `s${look}`}"><rect ${place}/><title>${hint}</title></g>`;
  });
  const line =
    mark !== undefined && mark >= domain[0] && mark <= domain[1]
      ? [markup`<path class="axis" d="M${px(x.at(mark))} ${px(area.top)}V${px(area.bottom)}"/>`]
      : [];
  return {
    ...{ title, area, legend: [], notes: [note] },
    x: { label: axis, at: x.at, ticks: ticksWithRoom(linearTicks(domain, 7), x.at) },
    y: { at: y.at, ticks: yTicks },
    marks: [...bars, ...line],
  };
}
