/** What a model answers to the demo's prompts, and how good the judge finds it. */
import type { PairTokenizer } from '@selective-dpo/data';
import { generate, type CausalLM, type SamplingOptions } from '@selective-dpo/model';
import { judgeAnswer } from './judge.js';
import { MAX_ANSWER_TOKENS } from './tokenizer-files.js';

/** The model's own distribution: its doubts show in its answers as they do in its probabilities. */
export const DEMO_SAMPLING: SamplingOptions = { temperature: 1, topK: 0, topP: 1 };

export interface AnswerOptions {
  /** Default {@link DEMO_SAMPLING}. */
  sampling?: SamplingOptions;
  /** Equal seeds give equal answers. */
  seed: number;
}

/** How good a list of answers is. */
export interface AnswerQuality {
  /** Share of answers without any fault, 0 … 1. */
  flawless: number;
  /** Mean of the judge's scores, 0 … 1. */
  meanScore: number;
  /** [N] the judge's score of each answer. */
  scores: number[];
  /** Share of answers with each kind of fault, the most frequent first. */
  faults: Map<string, number>;
}

/**
 * A model's answer to every prompt, as text.
 * @param tokenizer the model's own, with the demo's chat template.
 */
export async function answerPrompts(
  model: CausalLM,
  tokenizer: PairTokenizer,
  prompts: readonly string[],
  { sampling = DEMO_SAMPLING, seed }: AnswerOptions,
): Promise<string[]> {
  const ids = prompts.map((prompt) => promptIds(tokenizer, prompt));
  const answers = await generate(model, ids, {
    maxNewTokens: MAX_ANSWER_TOKENS,
    stopIds: [tokenizer.eosTokenId],
    sampling,
    seed,
  });
  return answers.map((answer) => tokenizer.decode(answer));
}

/**
 * Judges answers, each by the prompt it answers.
 * @throws InputError `demo-prompt`; RangeError where there is nothing to judge or the lengths differ.
 */
export function judgeAnswers(prompts: readonly string[], answers: readonly string[]): AnswerQuality {
  if (answers.length !== prompts.length || answers.length === 0) {
    throw new RangeError(`cannot judge ${answers.length} answers to ${prompts.length} prompts`);
  }
  const judgements = answers.map((answer, i) => judgeAnswer(prompts[i]!, answer));
  const counts = new Map<string, number>();
  for (const { faults } of judgements) {
    for (const kind of new Set(faults.map((fault) => fault.split(' ')[0]!))) {
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
  }
  const scores = judgements.map(({ score }) => score);
  const share = (count: number): number => count / answers.length;
  return {
    flawless: share(judgements.filter(({ faults }) => faults.length === 0).length),
    meanScore: share(scores.reduce((sum, score) => sum + score, 0)),
    scores,
    faults: new Map([...counts].sort(([, a], [, b]) => b - a).map(([kind, n]) => [kind, share(n)])),
  };
}

/** Token ids of a guest's words and of what opens the café's turn. */
function promptIds(tokenizer: PairTokenizer, prompt: string): Int32Array {
  const text = tokenizer.renderChat([{ role: 'user', content: prompt }], { addGenerationPrompt: true });
  return Int32Array.from(tokenizer.encode(text, { addSpecialTokens: false }));
}
