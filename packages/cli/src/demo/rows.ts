/**
 * The demo's texts, each a function of seed and row number alone: row 7 is the same whether ten rows are made or ten
 * thousand, and nothing has to be stored.
 */
import { mixSeeds, SeededRandom } from '@selective-dpo/foundation';
import { planAnswer, renderAnswer } from './answers.js';
import { addFaults } from './faults.js';
import { randomOrder, type Split } from './orders.js';
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

/** Share of faulty answers that makes a mediocre base policy, and that of the text for its reference. */
export const POLICY_FAULT_SHARE = 0.45;
export const REFERENCE_FAULT_SHARE = 0.02;

/**
 * Preference rows: chosen is faultless, rejected has one or two faults. Each is worded on its own, so that most of the
 * words in which the two differ have nothing to do with which is better.
 */
export function* preferenceRows({ seed, count, split }: RowRange): Generator<DemoPreferenceRow> {
  for (let row = 0; row < count; row++) {
    const random = new SeededRandom(mixSeeds(seed, PREFERENCE_STREAM, row));
    const order = randomOrder(random, split);
    const prompt = renderPrompt(order, random);
    const chosen = renderAnswer(planAnswer(order, random));
    const { plan } = addFaults(planAnswer(order, random), random);
    yield {
      prompt: [{ role: 'user', content: prompt }],
      chosen: [{ role: 'assistant', content: chosen }],
      rejected: [{ role: 'assistant', content: renderAnswer(plan) }],
    };
  }
}

/**
 * Dialogues to train a base model on.
 * @param faultShare share of answers with faults, 0 … 1, see {@link POLICY_FAULT_SHARE} and
 *   {@link REFERENCE_FAULT_SHARE}.
 */
export function* dialogues({
  seed,
  count,
  split,
  faultShare,
}: RowRange & { faultShare: number }): Generator<DemoDialogue> {
  for (let row = 0; row < count; row++) {
    const random = new SeededRandom(mixSeeds(seed, DIALOGUE_STREAM, row));
    const order = randomOrder(random, split);
    const prompt = renderPrompt(order, random);
    const right = planAnswer(order, random);
    const plan = random.next() < faultShare ? addFaults(right, random).plan : right;
    yield {
      messages: [
        { role: 'user', content: prompt },
        { role: 'assistant', content: renderAnswer(plan) },
      ],
    };
  }
}
