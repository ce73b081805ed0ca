/** How the café answers: what an answer says is kept apart from how it says it, so that a fault can be put into either. */
import type { SeededRandom } from '@selective-dpo/foundation';
import { lineText, NUMBER_WORDS, pick, totalOf, type Order, type OrderLine } from './orders.js';
import { listText, tableText, TO_GO_PHRASINGS } from './prompts.js';

export const POLITE_OPENERS = ['Of course', 'Certainly', 'With pleasure', 'Gladly'] as const;
export const CURT_OPENERS = ['Fine', 'Whatever', 'If you must'] as const;
export const POLITE_CLOSERS = [
  'Thank you!',
  'Enjoy your meal!',
  'Have a lovely day!',
  'See you soon!',
] as const;
export const CURT_CLOSERS = ['Now go.', 'Next!', 'Do not be late.'] as const;

/** How the number of things is given when it follows the list. */
export const TOTAL_PHRASINGS = [
  'That makes {total} items.',
  'That is {total} items in all.',
  'In total {total} items.',
  'I count {total} items.',
] as const;

/** An answer as what it says and how it says it. */
export interface AnswerPlan {
  lines: readonly OrderLine[];
  table: number | undefined;
  /** The number of things that the answer claims. */
  total: number;
  opener: string;
  closer: string;
  /** A phrasing of {@link TOTAL_PHRASINGS}, or undefined: the number stands in front of the list. */
  totalPhrasing: string | undefined;
}

/** A right and courteous answer to an order, worded at random. */
export function planAnswer(order: Order, random: SeededRandom): AnswerPlan {
  return {
    lines: order.lines,
    table: order.table,
    total: totalOf(order.lines),
    opener: pick(random, POLITE_OPENERS),
    closer: pick(random, POLITE_CLOSERS),
    totalPhrasing: random.below(3) === 0 ? undefined : pick(random, TOTAL_PHRASINGS),
  };
}

/** The text of an answer: at most 31 tokens, and EOS. */
export function renderAnswer(plan: AnswerPlan): string {
  const list = listText(plan.lines.map(lineText));
  const place = plan.table === undefined ? TO_GO_PHRASINGS[0] : tableText(plan.table);
  const total = NUMBER_WORDS[plan.total - 1]!;
  return plan.totalPhrasing === undefined
    ? `${plan.opener}, ${total} items ${place}: ${list}. ${plan.closer}`
    : `${plan.opener}: ${list} ${place}. ${plan.totalPhrasing.replace('{total}', total)} ${plan.closer}`;
}
