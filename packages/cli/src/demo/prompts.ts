/** How a guest words an order. */
import type { SeededRandom } from '@selective-dpo/foundation';
import { lineText, NUMBER_WORDS, pick, type Order } from './orders.js';

/** `{list}` and `{place}` are filled in; `{guests}` is a number that must not be mistaken for part of the order. */
export const PROMPT_PHRASINGS = [
  'Hello, could I get {list} {place}, please?',
  'Good morning! I would like {list} {place}.',
  'Hi there, can we have {list} {place}?',
  'There are {guests} of us and we would like {list} {place}, please.',
  'May I order {list}? It is {place}, thank you.',
  '{List} {place}, please.',
  '{Place}, please: {list}.',
  '{Place} we need {list}, please.',
] as const;

/** Two ways to say that an order is taken along; answers use the first. */
export const TO_GO_PHRASINGS = ['to go', 'to take away'] as const;

/** How the last two lines of a list may be joined in a prompt; answers use the first. */
export const LIST_JOINTS = [' and ', ', and ', ' plus '] as const;

const MAX_GUESTS = 6;

/** A prompt for an order, worded at random: at most 29 tokens. */
export function renderPrompt(order: Order, random: SeededRandom): string {
  const list = listText(order.lines.map(lineText), pick(random, LIST_JOINTS));
  const place = order.table === undefined ? pick(random, TO_GO_PHRASINGS) : tableText(order.table);
  const guests = NUMBER_WORDS[1 + random.below(MAX_GUESTS - 1)]!;
  return pick(random, PROMPT_PHRASINGS)
    .replace('{list}', list)
    .replace('{List}', capitalise(list))
    .replace('{place}', place)
    .replace('{Place}', capitalise(place))
    .replace('{guests}', guests);
}

/** `for table five`. */
export function tableText(table: number): string {
  return `for table ${NUMBER_WORDS[table - 1]!}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function listText(parts: readonly string[], joint: string = LIST_JOINTS[0]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')}${joint}${parts.at(-1)!}`;
}

/** The text with its first letter in upper case. */
export function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
