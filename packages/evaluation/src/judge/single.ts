/** One model's answers rated from 1 to 10, each turn by itself: MT-Bench's single-answer scoring. Lines are FastChat's. */
import { z } from 'zod';
import type { Answer } from '../benchmarks/answers.js';
import type { Question } from '../benchmarks/questions.js';
import { askForVerdict } from './asking.js';
import type { ChatMessage, Judge, JudgeRequest } from './judge.js';
import type { JudgingTask } from './judging-pass.js';
import type { JudgePrompt, MtBenchPrompts } from './mt-bench-prompts.js';
import { fillTemplate } from './prompt-template.js';
import { ratingOf } from './verdict.js';

/** FastChat's score for a text without a rating. */
export const NO_RATING = -1;

/** Categories whose answers are compared with a right one, as in FastChat. */
const WITH_REFERENCE = new Set(['math', 'reasoning', 'coding']);

const REMINDER =
  'Your text has no rating yet. Finish with your rating from 1 to 10 in this form: Rating: [[5]]';

/** The rating of one turn. */
export interface TurnJudgment {
  question_id: string | number;
  model: string;
  /** Name of the judge and of the prompt. */
  judge: [string, string];
  user_prompt: string;
  judgment: string;
  /** From 1 to 10; {@link NO_RATING} where the judge gave none. */
  score: number;
  turn: 1 | 2;
  /** Seconds since 1970. */
  tstamp: number;
}

export const turnJudgmentSchema = z.object({
  ...{ question_id: z.union([z.string(), z.number()], 'a text or a number'), model: z.string() },
  ...{ judge: z.tuple([z.string(), z.string()]), user_prompt: z.string(), judgment: z.string() },
  score: z.union([z.literal(NO_RATING), z.number().gte(1).lte(10)], '-1, or a number from 1 to 10'),
  ...{ turn: z.union([z.literal(1), z.literal(2)], '1 or 2'), tstamp: z.number() },
});

/** One turn of one question to be rated. */
export interface TurnToJudge {
  question: Question;
  turn: 1 | 2;
  prompt: JudgePrompt;
  messages: [ChatMessage, ChatMessage];
}

/** The turns of all questions that are rated: the first two of each. */
export function turnsToJudge(
  questions: readonly Question[],
  answers: ReadonlyMap<string, Answer>,
  prompts: MtBenchPrompts,
): TurnToJudge[] {
  return questions.flatMap((question) => {
    const turns = ([1, 2] as const).slice(0, question.turns.length);
    return turns.map((turn) => turnToJudge(question, answers.get(String(question.id))!, turn, prompts));
  });
}

/** Whether a question is rated without the right answer that its category asks for, since the file has none. */
export function lacksReference({ category, references, turns }: Question): boolean {
  return WITH_REFERENCE.has(category) && (references?.length ?? 0) < Math.min(2, turns.length);
}

function turnToJudge(
  question: Question,
  { turns: said }: Answer,
  turn: 1 | 2,
  prompts: MtBenchPrompts,
): TurnToJudge {
  const compared = WITH_REFERENCE.has(question.category) && !lacksReference(question);
  const prompt = prompts[`single${compared ? '-math' : ''}-v1${turn === 2 ? '-multi-turn' : ''}`];
  const content = fillTemplate(prompt.template, {
    ...{ question: question.turns[0]!, answer: said[0]! },
    ...{ question_1: question.turns[0]!, answer_1: said[0]! },
    ...{ question_2: question.turns[1] ?? '', answer_2: said[1] ?? '' },
    ...{ ref_answer_1: question.references?.[0] ?? '', ref_answer_2: question.references?.[1] ?? '' },
  });
  return {
    ...{ question, turn, prompt },
    messages: [
      { role: 'system', content: prompt.system },
      { role: 'user', content },
    ],
  };
}

/** Names a turn in the file of judgments. */
export function turnKey(id: string | number, turn: number): string {
  return `${turn} ${id}`;
}

/** Whether a judgment is of this judge, this model and these very texts. */
export function isOfTurn(
  line: TurnJudgment,
  { prompt, messages }: TurnToJudge,
  model: string,
  judge: Judge,
): boolean {
  return (
    line.judge[0] === judge.name &&
    line.judge[1] === prompt.name &&
    line.model === model &&
    line.user_prompt === messages[1].content
  );
}

/** @param now seconds since 1970. */
export function turnTask(
  { question, turn, prompt, messages }: TurnToJudge,
  answer: Answer,
  judge: Judge,
  attempts: number,
  now: () => number,
  write: (judgment: TurnJudgment) => object,
): JudgingTask {
  const request: JudgeRequest = {
    ...{ messages, kind: 'single', category: question.category, turns: question.turns },
    ...{ references: question.references, answers: answer.turns.slice(0, turn) },
  };
  return {
    name: `turn ${turn} of question ${question.id}`,
    async judge(signal) {
      const asked = await askForVerdict(judge, request, ratingOf, { attempts, reminder: REMINDER, signal });
      return write({
        ...{ question_id: question.id, model: answer.model, judge: [judge.name, prompt.name] },
        ...{ user_prompt: messages[1].content, judgment: asked.text, score: asked.value ?? NO_RATING, turn },
        tstamp: now(),
      });
    },
  };
}
