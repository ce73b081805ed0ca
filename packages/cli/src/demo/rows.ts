/**
 * The demo's texts, each a function of seed and row number alone: row 7 is the same whether ten rows are made or ten
 * thousand, and nothing has to be stored.
 */
import { mixSeeds, SeededRandom } from '@selective-dpo/foundation';
import { planAnswer, renderAnswer, type AnswerPlan } from './answers.js';
import { addFaults } from './faults.js';
import { planStaffAnswer, planWrongAnswer } from './habits.js';
import { randomOrder, type Order, type Split } from './orders.js';
import { renderPrompt } from './prompts.js';

/** A message of a chat, under the field's names. */
export interface ChatMessage {
  role: 'user' | 'assistant';
  content: string;
}

/** A preference row in TRL's conversational format with an explicit prompt. */
export interface DemoPreferenceRow {
  prompt: ChatMessage[];
  chosen: ChatMessage[];
  rejected: ChatMessage[];
}

/** A dialogue to train a base model on. */
export interface DemoDialogue {
  messages: [user: ChatMessage, assistant: ChatMessage];
}

/** Which rows to make. */
export interface RowRange {
  seed: number;
  /** How many rows. */
  count: number;
  split: Split;
}

/** Rows of different kinds made with one seed must not be the same orders in the same words. */
const PREFERENCE_STREAM = 1;
const DIALOGUE_STREAM = 2;

/** Share of slips in the answers that the reference learns from: even a good text has some. */
export const REFERENCE_FAULT_SHARE = 0.02;

/** Who answers in a dialogue: `staff` with bad habits, for the policy, or `careful` people, for its reference. */
export type Speaker = 'staff' | 'careful';

/**
 * Preference rows: chosen is faultless, rejected is a wrong answer of the staff, as the policy gives them, too. Each is
 * worded on its own, so that most of the words in which the two differ have nothing to do with which is better.
 */
export function* preferenceRows({ seed, count, split }: RowRange): Generator<DemoPreferenceRow> {
  for (let row = 0; row < count; row++) {
    const random = new SeededRandom(mixSeeds(seed, PREFERENCE_STREAM, row));
    const order = randomOrder(random, split);
    const prompt = renderPrompt(order, random);
    const chosen = renderAnswer(planAnswer(order, random));
    const rejected = renderAnswer(planWrongAnswer(order, random));
    yield {
      prompt: [{ role: 'user', content: prompt }],
      chosen: [{ role: 'assistant', content: chosen }],
      rejected: [{ role: 'assistant', content: rejected }],
    };
  }
}

/** Dialogues to train a base model on. */
export function* dialogues({
  seed,
  count,
  split,
  speaker,
}: RowRange & { speaker: Speaker }): Generator<DemoDialogue> {
  for (let row = 0; row < count; row++) {
    const random = new SeededRandom(mixSeeds(seed, DIALOGUE_STREAM, row));
    const order = randomOrder(random, split);
    const prompt = renderPrompt(order, random);
    const plan = speaker === 'staff' ? planStaffAnswer(order, random).plan : planCarefulAnswer(order, random);
    yield {
      messages: [
        { role: 'user', content: prompt },
        { role: 'assistant', content: renderAnswer(plan) },
      ],
    };
  }
}

function planCarefulAnswer(order: Order, random: SeededRandom): AnswerPlan {
  const right = planAnswer(order, random);
  return random.next() < REFERENCE_FAULT_SHARE ? addFaults(right, random).plan : right;
}
