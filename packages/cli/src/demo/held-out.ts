/** How good a model is on held-out orders: by the probabilities it gives, and by the answers it writes. */
import {
  isDroppedRow,
  openPreferenceSource,
  tokenizePair,
  type PairTokenizer,
  type PreferenceRow,
} from '@selective-dpo/data';
import { InputError, type TokenizedPair } from '@selective-dpo/foundation';
import type { CausalLM } from '@selective-dpo/model';
import { judgeAnswer } from './judge.js';
import { answerPrompts, judgeAnswers, type AnswerQuality } from './model-answers.js';

/** A preference pair that no model was trained on, as text and as token ids. */
export interface HeldOutPair {
  prompt: string;
  pair: TokenizedPair;
}

/** One model's performance. */
export interface HeldOutResult {
  /** Share of the pairs in which the preferred answer has the higher log-prob, 0 … 1. */
  preferenceAccuracy: number;
  /** [N] in the order of the pairs. */
  answers: string[];
  quality: AnswerQuality;
}

/** Pairs whose log-probs are computed together. */
const PAIRS_AT_ONCE = 50;

/**
 * Reads the first `count` rows of a preference file.
 * @throws InputError `demo-row` for a row that gives no pair; those of the file.
 */
export async function readHeldOut(
  file: string,
  tokenizer: PairTokenizer,
  count: number,
): Promise<HeldOutPair[]> {
  const source = await openPreferenceSource(file, { limit: count });
  const pairs: HeldOutPair[] = [];
  for await (const row of source.rows()) {
    const pair = tokenizePair(row, tokenizer);
    if (isDroppedRow(row) || isDroppedRow(pair)) {
      throw new InputError('demo-row', 'a row of the demo gives no pair', {
        file,
        row: row.row,
        hint: 'restore the demo’s files: install the package again',
      });
    }
    pairs.push({ prompt: promptText(row), pair });
  }
  return pairs;
}

/** Measures a model. @param seed of the answers it draws. */
export async function evaluateHeldOut(
  model: CausalLM,
  tokenizer: PairTokenizer,
  pairs: readonly HeldOutPair[],
  seed: number,
): Promise<HeldOutResult> {
  const prompts = pairs.map(({ prompt }) => prompt);
  const answers = await answerPrompts(model, tokenizer, prompts, { seed });
  return {
    preferenceAccuracy: await preferenceAccuracy(
      model,
      pairs.map(({ pair }) => pair),
    ),
    answers,
    quality: judgeAnswers(prompts, answers),
  };
}

/** What the judge finds wrong with an answer, for people. */
export function describeFaults(prompt: string, answer: string): string {
  const { faults } = judgeAnswer(prompt, answer);
  return faults.length === 0 ? 'without a fault' : faults.join(', ');
}

async function preferenceAccuracy(model: CausalLM, pairs: readonly TokenizedPair[]): Promise<number> {
  let preferred = 0;
  for (let begin = 0; begin < pairs.length; begin += PAIRS_AT_ONCE) {
    const some = pairs.slice(begin, begin + PAIRS_AT_ONCE);
    const logps = await model.logps(
      some.map(({ promptIds, chosenIds, rejectedIds }) => ({
        prompt: promptIds,
        responses: [chosenIds, rejectedIds],
      })),
    );
    for (const [chosen, rejected] of logps) if (sum(chosen!) > sum(rejected!)) preferred++;
  }
  return preferred / pairs.length;
}

function promptText(row: PreferenceRow): string {
  return row.conversation?.prompt[0]?.content ?? row.text?.prompt ?? '';
}

function sum(values: Float32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
