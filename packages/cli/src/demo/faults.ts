/**
 * What can be wrong with an answer. Each fault changes a few words of an otherwise fluent answer: this is where a method
 * that selects tokens should look.
 */
import type { SeededRandom } from '@selective-dpo/foundation';
import { CURT_CLOSERS, CURT_OPENERS, type AnswerPlan } from './answers.js';
import { ITEMS, MAX_QUANTITY, NUMBER_WORDS, pick, TABLES, type OrderLine } from './orders.js';

export const FAULT_KINDS = [
  'forgotten',
  'swapped',
  'extra',
  'quantity',
  'order',
  'total',
  'place',
  'curt',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Faults in the list of things: two of them could undo each other, so an answer has at most one. */
const LIST_FAULTS: ReadonlySet<FaultKind> = new Set(['forgotten', 'swapped', 'extra', 'quantity', 'order']);

/** Longest list in an answer: with one line more it would not fit into 32 tokens. */
const MAX_LINES = 4;

/** The same answer with one fault of this kind. `extra` needs at most three lines, `forgotten` and `order` at least two. */
export function applyFault(plan: AnswerPlan, kind: FaultKind, random: SeededRandom): AnswerPlan {
  const at = random.below(plan.lines.length);
  const line = plan.lines[at]!;
  switch (kind) {
    case 'forgotten':
      return { ...plan, lines: plan.lines.toSpliced(at, 1) };
    case 'swapped':
      return { ...plan, lines: plan.lines.with(at, { ...line, item: otherItem(plan.lines, random) }) };
    case 'extra': {
      const extra = { item: otherItem(plan.lines, random), quantity: 1 + random.below(MAX_QUANTITY) };
      return { ...plan, lines: plan.lines.toSpliced(random.below(plan.lines.length + 1), 0, extra) };
    }
    case 'quantity':
      return {
        ...plan,
        lines: plan.lines.with(at, { ...line, quantity: otherNumber(line.quantity, MAX_QUANTITY, random) }),
      };
    case 'order': {
      const first = random.below(plan.lines.length - 1);
      const [a, b] = [plan.lines[first]!, plan.lines[first + 1]!];
      return { ...plan, lines: plan.lines.with(first, b).with(first + 1, a) };
    }
    case 'total':
      return { ...plan, total: nearbyTotal(plan.total, random) };
    case 'place':
      return { ...plan, table: otherPlace(plan.table, random) };
    case 'curt':
      return random.below(2) === 0
        ? { ...plan, opener: pick(random, CURT_OPENERS) }
        : { ...plan, closer: pick(random, CURT_CLOSERS) };
  }
}

/** The answer with one fault, or in one case of five with two, of kinds drawn with equal chances. */
export function addFaults(plan: AnswerPlan, random: SeededRandom): { plan: AnswerPlan; kinds: FaultKind[] } {
  const kinds: FaultKind[] = [];
  const count = random.below(5) === 0 ? 2 : 1;
  let faulty = plan;
  while (kinds.length < count) {
    const kind = pick(random, FAULT_KINDS);
    const second = LIST_FAULTS.has(kind) && kinds.some((other) => LIST_FAULTS.has(other));
    if (second || kinds.includes(kind) || !fits(kind, faulty.lines)) continue;
    faulty = applyFault(faulty, kind, random);
    kinds.push(kind);
  }
  return { plan: faulty, kinds };
}

function fits(kind: FaultKind, lines: readonly OrderLine[]): boolean {
  if (kind === 'extra') return lines.length < MAX_LINES;
  return lines.length > 1 || (kind !== 'forgotten' && kind !== 'order');
}

function otherItem(lines: readonly OrderLine[], random: SeededRandom): number {
  const others = ITEMS.map((_, item) => item).filter((item) => lines.every((line) => line.item !== item));
  return pick(random, others);
}

/** A number in 1 … max that is not `number`. */
function otherNumber(number: number, max: number, random: SeededRandom): number {
  const drawn = 1 + random.below(max - 1);
  return drawn >= number ? drawn + 1 : drawn;
}

/** A wrong total that is off by one or two, within the numbers that the texts can spell. */
function nearbyTotal(total: number, random: SeededRandom): number {
  const near = [-2, -1, 1, 2].map((offset) => total + offset);
  return pick(
    random,
    near.filter((n) => n >= 2 && n <= NUMBER_WORDS.length),
  );
}

function otherPlace(table: number | undefined, random: SeededRandom): number | undefined {
  if (table === undefined) return 1 + random.below(TABLES);
  return random.below(4) === 0 ? undefined : otherNumber(table, TABLES, random);
}
