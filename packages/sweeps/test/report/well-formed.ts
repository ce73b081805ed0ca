/** A small reader of markup for the tests: tags, attributes and texts, strict enough to see what got in unescaped. */

const VOID = new Set(['meta', 'wbr']);
const TAG = /<(\/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s+[a-zA-Z:-]+="[^"<>]*")*)\s*(\/?)>/y;

export interface Tag {
  name: string;
  attributes: Record<string, string>;
}

/** The opening tags of a document. @throws Error where a tag is not closed, or a character of markup stands in a text. */
export function tagsOf(source: string): Tag[] {
  const tags: Tag[] = [];
  const open: string[] = [];
  let at = source.startsWith('<!doctype html>') ? '<!doctype html>'.length : 0;
  while (at < source.length) {
    const next = source.indexOf('<', at);
    const text = source.slice(at, next === -1 ? source.length : next);
    if (/>|&(?!(?:amp|lt|gt|quot|#39|#96);)/.test(text) && open.at(-1) !== 'style')
      throw new Error(`stray markup in: ${text.slice(0, 80)}`);
    if (next === -1) break;
    TAG.lastIndex = next;
    const match = TAG.exec(source);
    if (match === null) throw new Error(`no tag: ${source.slice(next, next + 120)}`);
    const [whole, closing, name, attributes, selfClosing] = match;
    if (closing === '/') {
      if (open.pop() !== name) throw new Error(`wrong end: ${name}`);
    } else {
      const pairs = [...attributes!.matchAll(/([a-zA-Z:-]+)="([^"]*)"/g)].map(
        ([, key, value]) => [key, value] as const,
      );
      tags.push({ name: name!, attributes: Object.fromEntries(pairs) });
      if (selfClosing !== '/' && !VOID.has(name!)) open.push(name!);
    }
    at = next + whole.length;
  }
  if (open.length > 0) throw new Error(`not closed: ${open.join(', ')}`);
  return tags;
}

/** The points of a plot with their texts, and its ticks, in pixels. */
export function placesIn(svg: string): {
  points: { x: number; y: number; hint: string }[];
  ticks: { axis: 'x' | 'y'; text: string; x: number; y: number }[];
} {
  const points = [
    ...svg.matchAll(/<g class="point [^"]*" transform="translate\((\S+) (\S+)\)"><title>([^<]*)</g),
  ];
  const ticks = [
    ...svg.matchAll(/<g class="tick (x|y)" transform="translate\((\S+) (\S+)\)">.*?<text[^>]*>([^<]*)</g),
  ];
  return {
    points: points.map(([, x, y, hint]) => ({ x: Number(x), y: Number(y), hint: hint! })),
    ticks: ticks.map(([, axis, x, y, text]) => ({
      axis: axis as 'x' | 'y',
      text: text!,
      x: Number(x),
      y: Number(y),
    })),
  };
}
