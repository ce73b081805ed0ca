/** How the lines of a plot are told apart: by colour, by dashes, and by the shape of their points. */

/** A line of its own colour (0 to 5), a mean over many settings, or a grey line behind. */
export type Look = number | 'mean' | 'context';

const DASHES = [undefined, '7 3', '2 3', '9 3 2 3', '13 4', '5 2 1 2 1 2'];

/** Outlines around (0, 0), of like area. */
const SHAPES = [
  'M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z',
  'M-3.6-3.6h7.2v7.2h-7.2z',
  'M0-4.8L4.6 3.4H-4.6z',
  'M0-5L5 0L0 5L-5 0z',
  'M0 4.8L4.6-3.4H-4.6z',
  'M-1.6-4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3z',
];

/** Class of the elements of a line; the style sheet gives it its colour. */
export function lookClass(look: Look): string {
  return typeof look === 'number' ? `s${look % SHAPES.length}` : look;
}

/** Pattern of dashes; undefined for a line without a break. */
export function dashOf(look: Look): string | undefined {
  return typeof look === 'number' ? DASHES[look % DASHES.length] : undefined;
}

/** Outline of a point. */
export function shapeOf(look: Look): string {
  return SHAPES[typeof look === 'number' ? look % SHAPES.length : 0]!;
}
