/** A figure against a key of names: a row a name, points with intervals over seeds. */
import type { KeyFigure, KeyLine } from '../figures/key-figure.js';
import { shownValue } from '../figures/swept-values.js';
import type { Markup } from '../markup.js';
import type { Look } from '../svg/look.js';
import { dot, point, type Place } from '../svg/marks.js';
import { plotArea, ticksWithRoom, type Axis, type Plot } from '../svg/plot.js';
import { linearScale } from '../svg/scale.js';
import { linearTicks, type Tick } from '../svg/ticks.js';
import { plotLabel } from './axis-names.js';
import { hasDots, keyNotes, pointHint } from './key-notes.js';
import { figureDomain, seedInterval } from './value-axis.js';
import { cutText } from '../shown-text.js';

/** Pixels of a row with one line, and between the lines of a row. */
const [ROW, DODGE] = [26, 12];
/** Characters of a name beside its row. */
const MAX_NAME = 28;

/** Draws a figure whose key has names for values, or no order. */
export function categoryPlot(figure: KeyFigure): Plot {
  const { values, lines, averaged } = figure;
  const row = ROW + DODGE * Math.max(0, lines.length - 1);
  const rows: Tick[] = values.map((value, index) => ({
    value: index,
    text: cutText(shownValue(value), MAX_NAME),
  }));
  const area = plotArea(rows, row * values.length);
  const domain = figureDomain(figure);
  const { at } = linearScale(domain, [area.left, area.right]);
  const x: Axis = { label: plotLabel(figure.metric), at, ticks: ticksWithRoom(linearTicks(domain, 6), at) };
  const y = { at: (index: number) => area.top + (index + 0.5) * row, ticks: rows };
  const looks: Look[] = averaged === undefined ? lines.map((_, index) => index) : ['mean'];
  const rowOf = new Map(values.map((value, index) => [value, y.at(index)]));
  const settings = figure.context.flatMap(({ cells }) =>
    cells.map(({ value, summary }) => dot([x.at(summary.mean), rowOf.get(value)!], 'context')),
  );
  const marks = lines.flatMap((one, index) => {
    const shift = (index - (lines.length - 1) / 2) * DODGE;
    const place = (middle: number, value: number): Place => [x.at(value), middle + shift];
    return rowMarks(figure, one, looks[index]!, rowOf, place, domain);
  });
  return {
    title: `${plotLabel(figure.metric)} by ${plotLabel(figure.key)}`,
    ...{ area, x, y },
    marks: [...settings, ...marks],
    legend: lines
      .map(({ label }, index) => ({ label: plotLabel(label), look: looks[index]!, marked: true }))
      .filter(({ label }) => label !== '' && label !== 'mean'),
    notes: keyNotes(figure),
  };
}

function rowMarks(
  figure: KeyFigure,
  one: KeyLine,
  look: Look,
  rowOf: ReadonlyMap<KeyLine['cells'][number]['value'], number>,
  place: (row: number, value: number) => Place,
  domain: readonly [number, number],
): Markup[] {
  return one.cells.flatMap(({ value, summary, singles }) => {
    const middle = rowOf.get(value)!;
    const at = (figureValue: number) => place(middle, figureValue);
    return [
      ...seedInterval(summary, domain, look, at),
      ...(hasDots(figure) ? singles.map((single) => dot(place(middle + DODGE / 3, single), look)) : []),
      point(at(summary.mean), look, pointHint(figure, one, value, summary)),
    ];
  });
}
