/**
 * The demo's world: a café. A guest orders two to four things, each in some quantity, for a table or to go. What makes an
 * answer right follows from the order alone, so a program can judge any text a model writes.
 */
import type { SeededRandom } from '@selective-dpo/foundation';
import { mixSeeds } from '@selective-dpo/foundation';

/** Numbers as the texts spell them; index 0 stands for one. */
export const NUMBER_WORDS = [
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
  'ten',
  'eleven',
  'twelve',
] as const;

/** What can be ordered: [one of it, several of it]. */
export const ITEMS = [
  ['tea', 'teas'],
  ['coffee', 'coffees'],
  ['juice', 'juices'],
  ['lemonade', 'lemonades'],
  ['muffin', 'muffins'],
  ['scone', 'scones'],
  ['bagel', 'bagels'],
  ['cookie', 'cookies'],
  ['brownie', 'brownies'],
  ['waffle', 'waffles'],
  ['pancake', 'pancakes'],
  ['pretzel', 'pretzels'],
  ['sandwich', 'sandwiches'],
  ['salad', 'salads'],
  ['soup', 'soups'],
  ['omelette', 'omelettes'],
] as const;

export const MAX_QUANTITY = 3;
export const TABLES = 9;
const MIN_LINES = 2;
const MAX_LINES = 4;

/** So many of an item: an index into {@link ITEMS}. */
export interface OrderLine {
  item: number;
  /** 1 … 3. */
  quantity: number;
}

/** What a guest wants. */
export interface Order {
  /** Two to four lines, no item twice. */
  lines: readonly OrderLine[];
  /** Table 1 … 9, or undefined to go. */
  table: number | undefined;
}

/** Which part of the world an order belongs to: models never see `held-out` orders, in whatever words. */
export type Split = 'train' | 'held-out';

/** One order in ten is held out. */
const HELD_OUT_SHARE = 10;

/** How many things the order has in all: 2 … 12. */
export function totalOf(lines: readonly OrderLine[]): number {
  return lines.reduce((sum, { quantity }) => sum + quantity, 0);
}

/** `two teas`. */
export function lineText({ item, quantity }: OrderLine): string {
  return `${NUMBER_WORDS[quantity - 1]!} ${ITEMS[item]![quantity === 1 ? 0 : 1]}`;
}

/** The split of an order, from what is ordered and in which order, not from the wording. */
export function splitOf({ lines, table }: Order): Split {
  const hash = mixSeeds(table ?? 0, ...lines.flatMap(({ item, quantity }) => [item, quantity]));
  return hash % HELD_OUT_SHARE === 0 ? 'held-out' : 'train';
}

/** A random order of the given split. */
export function randomOrder(random: SeededRandom, split: Split): Order {
  for (;;) {
    const order = anyOrder(random);
    if (splitOf(order) === split) return order;
  }
}

function anyOrder(random: SeededRandom): Order {
  const items: number[] = [];
  const count = MIN_LINES + random.below(MAX_LINES - MIN_LINES + 1);
  while (items.length < count) {
    const item = random.below(ITEMS.length);
    if (!items.includes(item)) items.push(item);
  }
  const lines = items.map((item) => ({ item, quantity: 1 + random.below(MAX_QUANTITY) }));
  // As many orders to go as for any two tables.
  const place = random.below(TABLES + 2);
  return { lines, table: place < TABLES ? place + 1 : undefined };
}

/** An element drawn with equal chances. */
export function pick<T>(random: SeededRandom, choices: readonly T[]): T {
  return choices[random.below(choices.length)]!;
}
