/** What stands in a plot: lines, bands, intervals, points, dots. Coordinates are pixels. */
import { markup, type Markup } from '../markup.js';
import { dashOf, lookClass, shapeOf, type Look } from './look.js';
import { px } from './scale.js';

export type Place = readonly [x: number, y: number];

/** A line through places; `undefined` is a gap. A place between gaps is a dot. */
export function line(places: readonly (Place | undefined)[], look: Look, hint?: string): Markup {
  let path = '';
  let after = false;
  for (const place of places) {
    if (place !== undefined)
      path += `${after ? 'L' : 'M'}${px(place[0])} ${px(place[1])}${after ? '' : 'h0'}`;
    after = place !== undefined;
  }
  if (path === '') return markup``;
  const dash = dashOf(look);
  return markup`<path class="line ${lookClass(look)}"${dash !== undefined && markup` stroke-dasharray="${dash}"`} d="${path}">${titleOf(hint)}</path>`;
}

/** The area between lower and upper edges at the same x; `undefined` is a gap. */
export function band(
  edges: readonly (readonly [x: number, low: number, high: number] | undefined)[],
  look: Look,
): Markup {
  const pieces: string[] = [];
  let piece: (readonly [number, number, number])[] = [];
  for (const edge of [...edges, undefined]) {
    if (edge !== undefined) {
      piece.push(edge);
      continue;
    }
    if (piece.length > 1) {
      const lower = piece.map(([x, low]) => `${px(x)} ${px(low)}`);
      const upper = piece.map(([x, , high]) => `${px(x)} ${px(high)}`).reverse();
      pieces.push(`M${[...lower, ...upper].join('L')}z`);
    }
    piece = [];
  }
  return pieces.length === 0
    ? markup``
    : markup`<path class="band ${lookClass(look)}" d="${pieces.join('')}"/>`;
}

/** An interval between two places on a line along an axis; an end that is cut off at the plot's edge has no bar. */
export function interval(from: Place, to: Place, look: Look, cut: readonly [boolean, boolean]): Markup {
  // Half of a bar at an end, across the interval.
  const [dx, dy] = from[0] === to[0] ? [3, 0] : [0, 3];
  const bar = ([x, y]: Place) => `M${px(x - dx)} ${px(y - dy)}L${px(x + dx)} ${px(y + dy)}`;
  const path = `M${px(from[0])} ${px(from[1])}L${px(to[0])} ${px(to[1])}`;
  return markup`<path class="interval ${lookClass(look)}" d="${path}${cut[0] ? '' : bar(from)}${cut[1] ? '' : bar(to)}"/>`;
}

/** A point with a text that shows while the pointer is near. */
export function point([x, y]: Place, look: Look, hint: string): Markup {
  return markup`<g class="point ${lookClass(look)}" transform="translate(${px(x)} ${px(y)})">${titleOf(hint)}<circle class="near" r="9"/><path d="${shapeOf(look)}"/></g>`;
}

/** A small dot: one run. */
export function dot([x, y]: Place, look: Look): Markup {
  return markup`<circle class="dot ${lookClass(look)}" cx="${px(x)}" cy="${px(y)}" r="2"/>`;
}

function titleOf(hint: string | undefined): Markup | undefined {
  return hint === undefined ? undefined : markup`<title>${hint}</title>`;
}
