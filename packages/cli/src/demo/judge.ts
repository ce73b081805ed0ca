/**
 * Judges an answer by the prompt it answers: a pure function of two texts that needs no model and works on whatever a
 * model writes. An answer is faultless if it names exactly the things ordered, in their order and quantities, gets their
 * number and the place right, is courteous, and is well formed.
 */
import { InputError, quoteValue } from '@selective-dpo/foundation';
import { CURT_CLOSERS, CURT_OPENERS, POLITE_CLOSERS, POLITE_OPENERS, TOTAL_PHRASINGS } from './answers.js';
import { ITEMS, lineText, NUMBER_WORDS, totalOf, type Order, type OrderLine } from './orders.js';

/** What a judgement costs the answer, fault by fault; a score never falls below 0. */
const PENALTIES = {
  forgotten: 0.25,
  extra: 0.25,
  repeated: 0.2,
  quantity: 0.2,
  order: 0.2,
  total: 0.2,
  place: 0.2,
  curt: 0.2,
  garbled: 0.2,
} as const;

/** The judge's verdict. */
export interface Judgement {
  /** 1 is faultless, 0 the least. */
  score: number;
  /**
   * What is wrong, each with its kind first: `forgotten tea`, `extra muffin`, `repeated tea`, `quantity tea`, `order`,
   * `total`, `place`, `curt`, `garbled`.
   */
  faults: string[];
}

const ITEM_OF_WORD = new Map(ITEMS.flatMap((words, item) => words.map((word) => [word as string, item])));
const numbers = NUMBER_WORDS.join('|');
const LINE = new RegExp(`\\b(${numbers}) (${[...ITEM_OF_WORD.keys()].join('|')})\\b`, 'gi');
const TOTAL = new RegExp(`\\b(${numbers}) items\\b`, 'gi');
const PLACE = new RegExp(`\\b(?:for table (${numbers})|to go|to take away)\\b`, 'gi');
const WELL_FORMED = wellFormedAnswer();

/**
 * Judges one answer.
 * @throws InputError `demo-prompt` if the prompt is not an order of this world.
 */
export function judgeAnswer(prompt: string, answer: string): Judgement {
  const order = parseOrder(prompt);
  const text = answer.trim();
  const lines = readLines(text);
  const faults = [...judgeItems(order.lines, lines)];
  const totals = [...text.matchAll(TOTAL)].map((match) => numberOf(match[1]!));
  if (totals.length !== 1 || totals[0] !== totalOf(order.lines)) faults.push('total');
  const places = readPlaces(text);
  if (places.length !== 1 || places[0] !== order.table) faults.push('place');
  const courteous =
    POLITE_OPENERS.some((opener) => text.startsWith(opener)) &&
    POLITE_CLOSERS.some((closer) => text.endsWith(closer)) &&
    ![...CURT_OPENERS, ...CURT_CLOSERS].some((curt) => text.includes(curt));
  if (!courteous) faults.push('curt');
  if (!WELL_FORMED.test(text) || !lines.every(agrees)) faults.push('garbled');
  const lost = faults.reduce((sum, fault) => sum + PENALTIES[kindOf(fault)], 0);
  return { score: Math.max(0, Math.round((1 - lost) * 100) / 100), faults };
}

/**
 * The order that a prompt words.
 * @throws InputError `demo-prompt` unless it names one place and at least one thing, none twice.
 */
export function parseOrder(prompt: string): Order {
  const lines = readLines(prompt).map(({ item, quantity }) => ({ item, quantity }));
  const places = readPlaces(prompt);
  const distinct = new Set(lines.map(({ item }) => item)).size === lines.length;
  if (lines.length === 0 || places.length !== 1 || !distinct) {
    throw new InputError('demo-prompt', 'the prompt is not an order of the demo', {
      found: quoteValue(prompt),
      expected: 'things of the café with their numbers, and a table or "to go"',
      hint: 'use the prompts of the demo',
    });
  }
  return { lines, table: places[0] };
}

interface NamedLine extends OrderLine {
  text: string;
}

function readLines(text: string): NamedLine[] {
  return [...text.matchAll(LINE)].map((match) => ({
    text: match[0].toLowerCase(),
    quantity: numberOf(match[1]!),
    item: ITEM_OF_WORD.get(match[2]!.toLowerCase())!,
  }));
}

function readPlaces(text: string): (number | undefined)[] {
  return [...text.matchAll(PLACE)].map((match) => (match[1] === undefined ? undefined : numberOf(match[1])));
}

function numberOf(word: string): number {
  return NUMBER_WORDS.indexOf(word.toLowerCase() as (typeof NUMBER_WORDS)[number]) + 1;
}

/** Whether a line says "one tea" and not "one teas". */
function agrees(line: NamedLine): boolean {
  return line.text === lineText(line);
}

/** Faults in what is named; the order of the things counts only where they are the right ones. */
function* judgeItems(ordered: readonly OrderLine[], named: readonly OrderLine[]): Generator<string> {
  const wanted = new Map(ordered.map(({ item, quantity }) => [item, quantity]));
  const seen = new Set<number>();
  for (const { item, quantity } of named) {
    const name = ITEMS[item]![0];
    if (seen.has(item)) yield `repeated ${name}`;
    else if (!wanted.has(item)) yield `extra ${name}`;
    else if (wanted.get(item) !== quantity) yield `quantity ${name}`;
    seen.add(item);
  }
  for (const { item } of ordered) if (!seen.has(item)) yield `forgotten ${ITEMS[item]![0]}`;
  const inOrder = (lines: readonly OrderLine[], among: (item: number) => boolean): string =>
    [...new Set(lines.map(({ item }) => item).filter(among))].join();
  const namedOrder = inOrder(named, (item) => wanted.has(item));
  const wantedOrder = inOrder(ordered, (item) => seen.has(item));
  if (namedOrder !== wantedOrder) yield 'order';
}

function kindOf(fault: string): keyof typeof PENALTIES {
  return fault.split(' ')[0] as keyof typeof PENALTIES;
}

/** The sentences an answer may consist of, right or wrong, polite or curt. */
function wellFormedAnswer(): RegExp {
  const anyOf = (texts: readonly string[]): string =>
    `(?:${texts.map((text) => text.replace(/[.!]/g, '\\$&')).join('|')})`;
  const line = `(?:${numbers}) (?:${[...ITEM_OF_WORD.keys()].join('|')})`;
  const list = `${line}(?:(?:, ${line})* and ${line})?`;
  const place = `(?:for table (?:${numbers})|to go)`;
  const totals = anyOf(TOTAL_PHRASINGS).replaceAll('{total}', `(?:${numbers})`);
  const opener = anyOf([...POLITE_OPENERS, ...CURT_OPENERS]);
  const closer = anyOf([...POLITE_CLOSERS, ...CURT_CLOSERS]);
  return new RegExp(
    `^${opener}(?:: ${list} ${place}\\. ${totals}|, (?:${numbers}) items ${place}: ${list}\\.) ${closer}$`,
  );
}
