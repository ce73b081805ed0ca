/**
 * A model's answers against those of a baseline: every question is judged twice, with the places swapped. A line of the
 * judgment file is Arena-Hard's: game 0 has the baseline as A, game 1 the model.
 */
import { z } from 'zod';
import { canonicalJson } from '@selective-dpo/foundation';
import type { Answer } from '../benchmarks/answers.js';
import type { Question, QuestionSet } from '../benchmarks/questions.js';
import { askForVerdict } from './asking.js';
import type { ChatMessage, Judge, JudgeRequest } from './judge.js';
import type { JudgingTask } from './judging-pass.js';
import { PAIRWISE_REMINDER, pairwiseMessages } from './pairwise-prompt.js';
import { VERDICTS, verdictOf, type Verdict } from './verdict.js';

export interface Game {
  /** null: the judge gave no verdict. */
  score: Verdict | null;
  judgment: { answer: string };
  prompt: ChatMessage[];
}

/** A question's judgment. */
export interface PairwiseJudgment {
  id: string | number;
  category: string;
  judge: string;
  model: string;
  baseline: string;
  games: [Game, Game];
}

/** What is compared. */
export interface Match {
  set: QuestionSet;
  model: string;
  baseline: string;
  /** By the question's id as text. */
  modelAnswers: ReadonlyMap<string, Answer>;
  baselineAnswers: ReadonlyMap<string, Answer>;
}

const game = z.object({
  score: z.enum(VERDICTS).nullable(),
  judgment: z.object({ answer: z.string() }),
  prompt: z.array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })).max(4),
});

/** What a line must be. @param idField `uid`, or `question_id` for older questions. */
export function pairwiseSchema(idField: string): z.ZodType<PairwiseJudgment> {
  return z
    .object({
      ...{ [idField]: z.union([z.string(), z.number()], 'a text or a number'), category: z.string() },
      ...{ judge: z.string(), model: z.string(), baseline: z.string(), games: z.tuple([game, game]) },
    })
    .transform((line) => {
      const { [idField]: id, ...rest } = line as Record<string, unknown>;
      return { ...rest, id };
    }) as unknown as z.ZodType<PairwiseJudgment>;
}

export function pairwiseLine({ id, ...rest }: PairwiseJudgment, idField: string): object {
  return { [idField]: id, ...rest };
}

/** The requests of both games. */
function requestsOf(question: Question, match: Match): [JudgeRequest, JudgeRequest] {
  const key = String(question.id);
  const answersOf = (answers: ReadonlyMap<string, Answer>) =>
    answers.get(key)!.turns.slice(0, question.turns.length);
  const [model, baseline] = [answersOf(match.modelAnswers), answersOf(match.baselineAnswers)];
  const request = (answersA: string[], answersB: string[]): JudgeRequest => ({
    messages: pairwiseMessages(question, answersA, answersB),
    kind: 'pairwise',
    ...{
      category: question.category,
      turns: question.turns,
      references: question.references,
      answersA,
      answersB,
    },
  });
  return [request(baseline, model), request(model, baseline)];
}

/** Whether a judgment is of this judge, these models and these very texts. */
export function isOfMatch(
  judgment: PairwiseJudgment,
  question: Question,
  match: Match,
  judge: Judge,
): boolean {
  const requests = requestsOf(question, match);
  return (
    judgment.judge === judge.name &&
    judgment.model === match.model &&
    judgment.baseline === match.baseline &&
    judgment.games.every(({ prompt }, i) => canonicalJson(prompt) === canonicalJson(requests[i]!.messages))
  );
}

/** A question to be judged. @param write makes a line of the judgment. */
export function pairwiseTask(
  question: Question,
  match: Match,
  judge: Judge,
  attempts: number,
  write: (judgment: PairwiseJudgment) => object,
): JudgingTask {
  return {
    name: `question ${question.id}`,
    async judge(signal) {
      const games: Game[] = [];
      for (const request of requestsOf(question, match)) {
        const asked = await askForVerdict(judge, request, verdictOf, {
          ...{ attempts, reminder: PAIRWISE_REMINDER, signal },
        });
        games.push({
          score: asked.value ?? null,
          judgment: { answer: asked.text },
          prompt: request.messages,
        });
      }
      return write({
        ...{ id: question.id, category: question.category, judge: judge.name },
        ...{ model: match.model, baseline: match.baseline, games: games as [Game, Game] },
      });
    },
  };
}
