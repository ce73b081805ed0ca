/** Damage to JSON that knows what JSON is made of: keys, types, depth, size. */
import type { SeededRandom } from '@selective-dpo/foundation';
import { pick, type Mutation } from './mutation.js';
import { EXTREME_NUMBERS } from './text-mutations.js';

/** A JSON value that may hold what JSON does not allow: keys twice, numbers out of range. */
type Node = { entries: [string, Node][] } | { items: Node[] } | { raw: string };

const NAMES_OF_OBJECTS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '',
  'length',
  'then',
];

/** Values of every type, and some that are too much of it. */
const VALUES: readonly string[] = [
  ...EXTREME_NUMBERS.filter((number) => /^-?(0|[1-9]\d*)(\.\d+)?(e[-+]?\d+)?$/i.test(number)),
  ...['null', 'true', 'false', '""', '[]', '{}', '"text"', '[1,2]', '[null]', '[[]]', '{"a":1}'],
  ...['"\\ud800"', '"\\u0000"', '"__proto__"', '{"__proto__":{"polluted":true}}', '{"toString":1}'],
  ...['"../../outside"', '"/etc/passwd"', '"a\\\\b"', '"\u009b2J"', '"-1"', '[-1]', '{"length":1e9}'],
];

/** What is no JSON. */
const BROKEN: readonly string[] = [
  'NaN',
  'Infinity',
  '0x10',
  '007',
  'undefined',
  "'a'",
  '[1,]',
  '{"a":1,}',
  '/*c*/1',
  '',
];

function parsed(value: unknown): Node {
  if (Array.isArray(value)) return { items: value.map(parsed) };
  if (typeof value !== 'object' || value === null) return { raw: JSON.stringify(value) };
  return { entries: Object.entries(value).map(([key, inner]) => [key, parsed(inner)]) };
}

function written(node: Node): string {
  if ('raw' in node) return node.raw;
  if ('items' in node) return `[${node.items.map(written).join(',')}]`;
  return `{${node.entries.map(([key, inner]) => `${JSON.stringify(key)}:${written(inner)}`).join(',')}}`;
}

/** All objects and lists that have something in them. */
function holders(node: Node): Exclude<Node, { raw: string }>[] {
  if ('raw' in node) return [];
  const inner = 'items' in node ? node.items : node.entries.map(([, value]) => value);
  return [...(inner.length > 0 ? [node] : []), ...inner.flatMap(holders)];
}

/** A value that is large or deep, mostly moderately so. */
function tooMuch(random: SeededRandom): string {
  const size = pick([10, 100, 1000, 20_000], random);
  const deep = pick(['[', '{"a":'], random);
  return pick(
    [
      `[${'0,'.repeat(size)}0]`,
      `"${'x'.repeat(10 * size)}"`,
      deep.repeat(size) + '1' + (deep === '[' ? ']' : '}').repeat(size),
      deep.repeat(size),
      `{${Array.from({ length: size }, (_, i) => `"k${i}":${i}`).join(',')}}`,
      `[${'[],'.repeat(size)}{}]`,
    ],
    random,
  );
}

function changeOne(holder: Exclude<Node, { raw: string }>, random: SeededRandom): void {
  const kind = random.below(8);
  const value = (): Node => ({
    raw: random.below(12) === 0 ? tooMuch(random) : pick(random.below(12) === 0 ? BROKEN : VALUES, random),
  });
  if ('items' in holder) {
    const at = random.below(holder.items.length);
    if (kind < 2) holder.items.splice(at, 1);
    else if (kind < 4) holder.items.splice(at, 0, holder.items[random.below(holder.items.length)]!);
    else holder.items[at] = value();
    return;
  }
  const { entries } = holder;
  const at = random.below(entries.length);
  if (kind === 0) entries.splice(at, 1);
  else if (kind === 1) entries[at]![0] = pick(NAMES_OF_OBJECTS, random);
  else if (kind === 2) entries.push([entries[at]![0], value()]);
  else if (kind === 3) entries.push([pick(NAMES_OF_OBJECTS, random), value()]);
  else if (kind === 4) entries[at]![1] = entries[random.below(entries.length)]![1];
  else entries[at]![1] = value();
}

/** One to three changes of structure; bytes that are no JSON stay as they are. */
export const changeJson: Mutation = (input, random) => {
  let root: Node;
  try {
    root = parsed(JSON.parse(input.toString('utf8')));
  } catch {
    return input;
  }
  for (let i = random.below(3); i >= 0; i--) {
    const all = holders(root);
    if (all.length > 0) changeOne(pick(all, random), random);
  }
  if (random.below(20) === 0) root = { items: [root] };
  return Buffer.from(written(root));
};
