/** Curves over steps: a line a configuration, a band from the smallest to the largest seed. */
import type { Curve, CurveFigure } from '../figures/curve-figure.js';
import { shownSetting } from '../figures/swept-values.js';
import type { Look } from '../svg/look.js';
import { band, line, point, type Place } from '../svg/marks.js';
import { plotArea, ticksWithRoom, type Axis, type Plot } from '../svg/plot.js';
import { linearScale, logScale } from '../svg/scale.js';
import { linearTicks, logTicks, paddedDomain } from '../svg/ticks.js';
import { counted, shownNumber } from '../shown-text.js';
import { plotLabel } from './axis-names.js';

const HEIGHT = 220;
/** Ratio of the largest to the smallest value from which on equal ratios take equal lengths. */
const RATIO_AXIS_FROM = 1000;
/** Points of a line that have markers at most; more would hide it. */
const MAX_MARKERS = 12;

/** Which curves have colours, and what they are called by. */
export interface CurveChoice {
  /** Drawn in colour, at most as many as the palette has. */
  lines: CurveFigure['curves'];
  /** Drawn in grey. */
  context: CurveFigure['curves'];
  /** Keys that tell the configurations apart. */
  keys: readonly string[];
  /** How the lines in colour were chosen, if they were. */
  note?: string;
}

/** Draws curves. */
export function curvePlot({ metric, gathered }: CurveFigure, choice: CurveChoice): Plot {
  const { lines, context, keys } = choice;
  const { domain, ratio } = valueExtent(lines, context);
  const yTicks = ratio ? logTicks(domain, 6) : linearTicks(domain, 5);
  const area = plotArea(yTicks, HEIGHT);
  const y = { at: (ratio ? logScale : linearScale)(domain, [area.bottom, area.top]).at, ticks: yTicks };
  const steps = [...lines, ...context].flatMap(({ points }) => points.map(({ step }) => step));
  const stepDomain = [
    steps.reduce((a, b) => Math.min(a, b)),
    steps.reduce((a, b) => Math.max(a, b)),
  ] as const;
  const at = linearScale(stepDomain, [area.left + 8, area.right - 8]).at;
  const x: Axis = { label: 'step', at, ticks: ticksWithRoom(linearTicks(stepDomain, 6, 1), at) };
  const marked = lines.every(({ points }) => points.length <= MAX_MARKERS);
  const labels = lines.map(({ configuration }) => shownSetting(configuration, keys));
  return {
    title: `${plotLabel(metric)} over steps`,
    ...{ area, x, y },
    marks: [
      ...context.map((one) => line(placesOf(one, x, y), 'context', shownSetting(one.configuration, keys))),
      ...lines.map((one, index) => bandOf(one, x, y, index)),
      ...lines.map((one, index) => line(placesOf(one, x, y), index, labels[index])),
      ...(marked ? lines.flatMap((one, index) => pointsOf(one, x, y, index, labels[index]!)) : []),
    ],
    legend: labels
      .map((label, look) => ({ label: plotLabel(label), look, marked }))
      .filter(({ label }) => label !== ''),
    notes: notesOf(choice, gathered),
  };
}

function notesOf({ lines, context, note }: CurveChoice, gathered: number | undefined): string[] {
  const bands = lines.some(({ runs }) => runs > 1)
    ? ['Line: mean over seeds. Band: smallest to largest seed.']
    : [];
  const grey = context.length > 0 ? [`Grey: ${counted(context.length, 'other configuration')}.`] : [];
  const means = gathered === undefined ? [] : [`Each place is a mean over ${shownNumber(gathered)} steps.`];
  return [[...(note === undefined ? [] : [note]), ...grey, ...bands, ...means].join(' ')].filter(
    (text) => text !== '',
  );
}

type Places = Pick<Axis, 'at'>;

/** The domain of all that is drawn; of ratios where positive values span orders of magnitude. */
function valueExtent(
  lines: readonly Curve[],
  context: readonly Curve[],
): { domain: [number, number]; ratio: boolean } {
  const bands = lines.flatMap(({ points }) =>
    points.flatMap(({ seeds }) => (seeds ? [seeds.smallest, seeds.largest] : [])),
  );
  const means = context.flatMap(({ points }) => points.flatMap(({ seeds }) => (seeds ? [seeds.mean] : [])));
  const values = [...bands, ...means];
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  if (low > 0 && high / low >= RATIO_AXIS_FROM)
    return { domain: [low / 1.2, Math.min(high * 1.2, Number.MAX_VALUE)], ratio: true };
  return { domain: paddedDomain(values), ratio: false };
}

function placesOf({ points }: Curve, x: Places, y: Places): (Place | undefined)[] {
  return points.map(({ step, seeds }) => (seeds === undefined ? undefined : [x.at(step), y.at(seeds.mean)]));
}

function bandOf({ points, runs }: Curve, x: Places, y: Places, look: Look) {
  const edges = points.map(({ step, seeds }) =>
    seeds === undefined ? undefined : ([x.at(step), y.at(seeds.smallest), y.at(seeds.largest)] as const),
  );
  return band(runs > 1 ? edges : [], look);
}

function pointsOf({ points }: Curve, x: Places, y: Places, look: Look, label: string) {
  return points.flatMap(({ step, seeds }) =>
    seeds === undefined
      ? []
      : [
          point(
            [x.at(step), y.at(seeds.mean)],
            look,
            `${label}\nstep ${shownNumber(step)}: ${shownNumber(seeds.mean)}`,
          ),
        ],
  );
}
