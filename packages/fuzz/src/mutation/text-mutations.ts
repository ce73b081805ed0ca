/** Damage to texts that hold numbers and words. */
import { pick, type Mutation } from './mutation.js';

/** Numbers as texts: edges of integers, of float64, and what is none. */
export const EXTREME_NUMBERS: readonly string[] = [
  '-1',
  '0',
  '-0',
  '0.5',
  '2147483647',
  '2147483648',
  '4294967296',
  '9007199254740992',
  '9007199254740993',
  '1e400',
  '-1e400',
  '1e-400',
  '1e308',
  '5e-324',
  'NaN',
  'Infinity',
  '.inf',
  '0x10',
  '007',
  '1_000',
];

/** A number becomes another one. */
export const replaceNumber: Mutation = (input, random) => {
  const text = input.toString('latin1');
  const numbers = [...text.matchAll(/-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g)];
  if (numbers.length === 0) return input;
  const { index, 0: found } = pick(numbers, random);
  const value = pick(EXTREME_NUMBERS, random);
  return Buffer.from(text.slice(0, index) + value + text.slice(index + found.length), 'latin1');
};

/** Characters that are more than one byte, no character at all, or end lines where nobody looks for it. */
const ODD_TEXTS: readonly string[] = [
  '\0',
  '\ufeff',
  '\u2028',
  '\u0085',
  '\r',
  'é',
  '🙂',
  '\ud800',
  '\u202e',
  '\x1b[2J',
];

export const insertOddText: Mutation = (input, random) => {
  const at = random.below(input.length + 1);
  const odd = pick(
    [...ODD_TEXTS.map((text) => Buffer.from(text)), Buffer.from([0xc3]), Buffer.from([0xff])],
    random,
  );
  return Buffer.concat([input.subarray(0, at), odd, input.subarray(at)]);
};

/** Puts one of these texts somewhere in. */
export function insertOneOf(texts: readonly string[]): Mutation {
  return (input, random) => {
    const at = random.below(input.length + 1);
    return Buffer.concat([input.subarray(0, at), Buffer.from(pick(texts, random)), input.subarray(at)]);
  };
}

/** The same before one of the lines. */
export function insertLineOf(lines: readonly string[]): Mutation {
  return (input, random) => {
    const text = input.toString('latin1').split('\n');
    text.splice(random.below(text.length + 1), 0, Buffer.from(pick(lines, random)).toString('latin1'));
    return Buffer.from(text.join('\n'), 'latin1');
  };
}

/** A mutation of one line alone. */
export function onOneLine(mutation: Mutation): Mutation {
  return (input, random, pool) => {
    const lines = input.toString('latin1').split('\n');
    const at = random.below(lines.length);
    lines[at] = mutation(Buffer.from(lines[at]!, 'latin1'), random, pool).toString('latin1');
    return Buffer.from(lines.join('\n'), 'latin1');
  };
}

/** Two lines change places, one is doubled, or one goes. */
export const moveLines: Mutation = (input, random) => {
  const lines = input.toString('latin1').split('\n');
  const [a, b] = [random.below(lines.length), random.below(lines.length)];
  const kind = random.below(3);
  if (kind === 0) [lines[a], lines[b]] = [lines[b]!, lines[a]!];
  else if (kind === 1) lines.splice(b, 0, lines[a]!);
  else lines.splice(a, 1);
  return Buffer.from(lines.join('\n'), 'latin1');
};
