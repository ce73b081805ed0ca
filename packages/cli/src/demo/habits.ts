/**
 * Bad habits of the staff that the demo's policy learnt from. Other faults are rare slips of all kinds; a habit is what
 * usually happens to orders of one sort, so a model that has it finds the wrong answer the more likely one. That is what
 * preference training has to turn round.
 */
import type { SeededRandom } from '@selective-dpo/foundation';
import { planAnswer, type AnswerPlan } from './answers.js';
import { addFaults, type FaultKind } from './faults.js';
import type { Order } from './orders.js';

export interface Habit {
  kind: FaultKind;
  /** The orders it befalls. */
  when(order: Order): boolean;
  /** How often it befalls them, 0 … 1. */
  share: number;
  apply(plan: AnswerPlan): AnswerPlan;
}

/** Whoever takes the food along is spoken to curtly, of three things one more is counted, of four the last is forgotten. */
export const HABITS: readonly Habit[] = [
  {
    kind: 'curt',
    when: ({ table }) => table === undefined,
    share: 0.6,
    apply: (plan) => ({ ...plan, opener: 'Whatever' }),
  },
  {
    kind: 'total',
    when: ({ lines }) => lines.length === 3,
    share: 0.5,
    apply: (plan) => ({ ...plan, total: plan.total + 1 }),
  },
  {
    kind: 'forgotten',
    when: ({ lines }) => lines.length === 4,
    share: 0.5,
    apply: (plan) => ({ ...plan, lines: plan.lines.slice(0, -1) }),
  },
];

/** Share of slips among the staff's answers that no habit spoils. */
export const SLIP_SHARE = 0.2;

/** What the staff answers: by habit, by a slip, or right. `kinds` is empty for a right answer. */
export function planStaffAnswer(
  order: Order,
  random: SeededRandom,
): { plan: AnswerPlan; kinds: FaultKind[] } {
  const right = planAnswer(order, random);
  const fallen = HABITS.filter((habit) => habit.when(order) && random.next() < habit.share);
  if (fallen.length > 0) {
    return {
      plan: fallen.reduce((plan, habit) => habit.apply(plan), right),
      kinds: fallen.map(({ kind }) => kind),
    };
  }
  return random.next() < SLIP_SHARE ? addFaults(right, random) : { plan: right, kinds: [] };
}

/** A wrong answer of the staff. */
export function planWrongAnswer(order: Order, random: SeededRandom): AnswerPlan {
  for (;;) {
    const { plan, kinds } = planStaffAnswer(order, random);
    if (kinds.length > 0) return plan;
  }
}
