/** A figure against a key of numbers: lines through means, with intervals over seeds. */
import type { KeyFigure, KeyLine } from '../figures/key-figure.js';
import type { Markup } from '../markup.js';
import type { Look } from '../svg/look.js';
import { dot, line, point, type Place } from '../svg/marks.js';
import { plotArea, ticksWithRoom, type Axis, type Plot, type PlotArea } from '../svg/plot.js';
import { linearScale, logScale } from '../svg/scale.js';
import { linearTicks, logTicks, type Tick } from '../svg/ticks.js';
import { hasRatioAxis, keyAxisName, keyTickText, plotLabel } from './axis-names.js';
import { hasDots, keyNotes, pointHint } from './key-notes.js';
import { figureDomain, seedInterval } from './value-axis.js';

const HEIGHT = 220;
/** Pixels between lines that have the same value of the key, at least and at most. */
const [MIN_DODGE, MAX_DODGE] = [2, 10];

/** Room on both sides of the outermost values, so that points and bars stand inside. */
const INSET = 16;

/** Draws a figure whose key is numeric. */
export function numberPlot(figure: KeyFigure): Plot {
  const domain = figureDomain(figure);
  const yTicks = linearTicks(domain, 5);
  const area = plotArea(yTicks, HEIGHT);
  const y = { at: linearScale(domain, [area.bottom, area.top]).at, ticks: yTicks };
  const x = keyAxis(figure, area);
  const dodge = dodgeOf(figure, x);
  const looks: Look[] = figure.averaged === undefined ? figure.lines.map((_, index) => index) : ['mean'];
  const contextLines = figure.context.map((one) =>
    line(
      one.cells.map(({ value, summary }): Place => [x.at(Number(value)), y.at(summary.mean)]),
      'context',
      one.label,
    ),
  );
  const marks = figure.lines.map((one, index) => {
    const shift = (index - (figure.lines.length - 1) / 2) * dodge;
    const place = (key: number, value: number, beside = 0): Place => [
      x.at(key) + shift + beside * dodge,
      y.at(value),
    ];
    return lineMarks(figure, one, looks[index]!, place, domain);
  });
  return {
    title: `${plotLabel(figure.metric)} by ${plotLabel(figure.key)}`,
    ...{ area, x, y },
    marks: [...contextLines, ...marks.flatMap((one) => one.behind), ...marks.flatMap((one) => one.points)],
    legend: figure.lines
      .map(({ label }, index) => ({ label: plotLabel(label), look: looks[index]!, marked: true }))
      .filter(({ label }) => label !== '' && label !== 'mean'),
    notes: keyNotes(figure),
  };
}

/** The axis of the key: its own values as ticks where they have room, else round ones. */
function keyAxis({ key, values }: KeyFigure, { left, right }: PlotArea): Axis {
  const numbers = values.map(Number);
  const [low, high] = [numbers[0]!, numbers.at(-1)!];
  const ratio = hasRatioAxis(key, low, high);
  const inside = [left + INSET, right - INSET] as const;
  const { at } = (ratio ? logScale : linearScale)([low, high], inside);
  const own: Tick[] = numbers.map((value) => ({ value, text: keyTickText(key, value) }));
  const round = ratio ? logTicks([low, high], 8) : linearTicks([low, high], 6);
  const named = round.map(({ value, text }) => ({
    value,
    text: key === 'keep' ? keyTickText(key, value) : text,
  }));
  const ticks = ticksWithRoom(own, at).length === own.length ? own : ticksWithRoom(named, at);
  return { label: keyAxisName(key), at, ticks };
}

/** Lines stand beside each other as far as the values of the key give room. */
function dodgeOf({ values, lines }: KeyFigure, { at }: Axis): number {
  const gaps = values.slice(1).map((value, index) => at(Number(value)) - at(Number(values[index])));
  const room = (0.7 * gaps.reduce((a, b) => Math.min(a, b))) / Math.max(1, lines.length);
  return Math.min(MAX_DODGE, Math.max(MIN_DODGE, room));
}

function lineMarks(
  figure: KeyFigure,
  one: KeyLine,
  look: Look,
  place: (key: number, value: number, beside?: number) => Place,
  domain: readonly [number, number],
): { behind: Markup[]; points: Markup[] } {
  const cells = one.cells.map((cell) => ({
    ...cell,
    at: (value: number, beside?: number) => place(Number(cell.value), value, beside),
  }));
  const dots = hasDots(figure)
    ? cells.flatMap(({ singles, at }) => singles.map((value) => dot(at(value, 0.5), look)))
    : [];
  return {
    behind: [
      line(
        cells.map(({ at, summary }) => at(summary.mean)),
        look,
      ),
      ...cells.flatMap(({ at, summary }) => seedInterval(summary, domain, look, at)),
      ...dots,
    ],
    points: cells.map(({ at, value, summary }) =>
      point(at(summary.mean), look, pointHint(figure, one, value, summary)),
    ),
  };
}
