/**
 * Regular expressions of a tokenizer that could run for ever: a matcher that backtracks tries every way of cutting a
 * text, and these have exponentially many. They come with models, and nothing can stop one that runs in this thread.
 * The check is conservative: it knows the shape `(x*)*` and `(x|y)*`, not what x and y match.
 */

import { InputError, quoteValue } from '@selective-dpo/foundation';

/** Longest pattern. Those of known tokenizers have at most a few hundred characters. */
export const MAX_PATTERN_LENGTH = 16_384;
/** From so many repetitions on, a bounded quantifier counts as unbounded. */
const MANY = 10;

const GROUP_HEAD = /\((?:\?(?:<?[=!]|[:>]|<\w+>|[a-z-]+[:)])?)?/iy;
const ATOM = /\\[pPux]\{[^}]*\}|\\[^]|\[(?:\\[^]|[^\]\\])*\]?|[^]/uy;
const QUANTIFIER = /(?:[*+?]|\{\d+(?:,\d*)?\})[?+]?/y;

interface Group {
  /** Whether something inside is repeated a varying number of times. */
  varies: boolean;
  /** The plain character each alternative begins with, undefined where it begins with anything else. */
  starts: (string | undefined)[];
  /** Whether the latest alternative has no part yet. */
  fresh: boolean;
}

/**
 * What in a pattern could run away, for a message; undefined if nothing was found. Reads of the syntax what decides
 * that: escapes, classes, groups of any kind, quantifiers, alternatives.
 */
export function runawayPart(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN_LENGTH) return `a pattern of ${pattern.length} characters`;
  const open: { group: Group; begun: number }[] = [];
  let group = emptyGroup();
  let at = 0;
  while (at < pattern.length) {
    const head = match(GROUP_HEAD, pattern, at);
    if (head !== '') {
      begin(group, undefined);
      open.push({ group, begun: at });
      group = emptyGroup();
      at += head.length;
      continue;
    }
    if (pattern[at] === '|') {
      group.fresh = true;
      at++;
      continue;
    }
    // A bracket without a partner ends no group: BLOOM's class has one.
    const outer = pattern[at] === ')' ? open.pop() : undefined;
    const closed = outer === undefined ? undefined : group;
    if (outer === undefined) {
      const atom = match(ATOM, pattern, at);
      begin(group, plainCharacter(atom));
      at += atom.length;
    } else {
      group = outer.group;
      at++;
    }
    const quantifier = readQuantifier(pattern, at);
    at += quantifier.length;
    if (closed !== undefined && quantifier.max >= MANY && mayRunAway(closed)) {
      return pattern.slice(outer?.begun, at);
    }
    group.varies ||= quantifier.varies || closed?.varies === true;
  }
  return undefined;
}

/**
 * Looks at every `{"Regex": …}` inside a section of tokenizer.json, whose nesting is bounded.
 * @throws InputError `tokenizer-unreadable` naming the section and the part of the pattern.
 */
export function refuseRunawayPatterns(section: unknown, field: string, file: string): void {
  if (typeof section !== 'object' || section === null) return;
  for (const [key, value] of Object.entries(section)) {
    const part = key === 'Regex' && typeof value === 'string' ? runawayPart(value) : undefined;
    if (part !== undefined) {
      throw new InputError(
        'tokenizer-unreadable',
        'a pattern of the tokenizer may take for ever on some texts',
        {
          file,
          field,
          found: quoteValue(part),
          expected: 'no repetition of what is repeated itself, or of alternatives that begin alike',
          hint: 'do not use this tokenizer unless you trust where it comes from; write the pattern without it',
        },
      );
    }
    refuseRunawayPatterns(value, field, file);
  }
}

function emptyGroup(): Group {
  return { varies: false, starts: [], fresh: true };
}

function begin(group: Group, start: string | undefined): void {
  if (group.fresh) group.starts.push(start);
  group.fresh = false;
}

/** Several ways through a group: something in it varies, or two alternatives may begin alike. */
function mayRunAway({ varies, starts }: Group): boolean {
  if (varies) return true;
  return starts.length > 1 && (starts.includes(undefined) || new Set(starts).size < starts.length);
}

/** The character an atom stands for; undefined for classes and all that is more than one character. */
function plainCharacter(atom: string): string | undefined {
  if (/^\\[rntfv\W_]$/u.test(atom)) return atom;
  return /^[^.[\\^$]$/u.test(atom) ? atom : undefined;
}

/** The quantifier at a place, of length 0 if there is none. `?` alone does not count as varying. */
function readQuantifier(pattern: string, at: number): { length: number; max: number; varies: boolean } {
  const text = match(QUANTIFIER, pattern, at);
  if (text === '') return { length: 0, max: 1, varies: false };
  const bounds = /^\{(\d+)(?:(,)(\d*))?/.exec(text);
  if (bounds === null) {
    const optional = text.startsWith('?');
    return { length: text.length, max: optional ? 1 : Infinity, varies: !optional };
  }
  const min = Number(bounds[1]);
  const max = bounds[2] === undefined ? min : bounds[3] === '' ? Infinity : Number(bounds[3]);
  return { length: text.length, max, varies: max !== min };
}

function match(part: RegExp, text: string, at: number): string {
  part.lastIndex = at;
  return part.exec(text)?.[0] ?? '';
}
