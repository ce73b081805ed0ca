/**
 * Answer files in the layouts of their projects, so that their own judges read them. Sources: FastChat's `llm_judge` (MT-Bench)
 * and Arena-Hard's `gen_answer` of both generations. The field `generation` is ours and read by nobody else.
 */
import { z } from 'zod';
import { canonicalJson, sha256 } from '@selective-dpo/foundation';
import { FileProblems, checkedLines } from '@selective-dpo/data';
import { markdownCounts } from './markdown-counts.js';
import { refuseTwice, type AnswerLayout, type Question } from './questions.js';

/** How an answer came about, for whoever goes on with the file. */
export interface GenerationRecord {
  /** SHA-256 over model, tokenizer and settings: answers of another are not mixed in. */
  fingerprint: string;
  temperature: number;
  seed: number;
  /** A turn each: tokens of the prompt as the model saw it, tokens cut off at its start, and tokens answered. */
  prompt_tokens: number[];
  dropped_tokens: number[];
  answer_tokens: number[];
  /** `stop`, or `length` for an answer that was cut. */
  finish_reasons: ('stop' | 'length')[];
}

/** A model's answer to one question. */
export interface Answer {
  questionId: string | number;
  model: string;
  /** A turn each. */
  turns: string[];
  generation?: GenerationRecord | undefined;
}

/**
 * An answer as a line of its layout. Equal answers at the same time give equal lines.
 * @param time seconds since 1970.
 */
export function answerLine(answer: Answer, layout: AnswerLayout, question: Question, time: number): object {
  const { questionId, model, turns, generation } = answer;
  const id = sha256(canonicalJson({ questionId, model, turns, generation })).slice(0, 22);
  const tokens = generation?.answer_tokens ?? [];
  const metadata = { token_len: tokens.at(-1) ?? 0, ...markdownCounts(turns.at(-1) ?? '') };
  if (layout === 'arena-hard-uid') {
    const messages = turns.flatMap((content, i) => [
      { role: 'user', content: question.turns[i]! },
      { role: 'assistant', content: { answer: content } },
    ]);
    return { uid: questionId, ans_id: id, model, messages, tstamp: time, metadata, generation };
  }
  const said = turns.map((content, i) =>
    layout === 'mt-bench' ? content : { content, token_len: tokens[i] ?? 0 },
  );
  return {
    ...{ question_id: questionId, answer_id: id, model_id: model, choices: [{ index: 0, turns: said }] },
    ...{ tstamp: time, ...(layout === 'mt-bench' ? {} : { conv_metadata: metadata }), generation },
  };
}

/** What the text of every {@link answerLine} begins with. */
export function answerOpening(layout: AnswerLayout): string {
  return layout === 'arena-hard-uid' ? '{"uid":' : '{"question_id":';
}

const name = z.string().min(1).max(500);
const text = z.string().max(16 << 20);
const id = z.union([z.string().min(1).max(200), z.number().int().safe()], 'a text or a whole number');
const counts = z.array(z.number().int().gte(0)).max(64);
const generation = z
  .object({
    ...{ fingerprint: z.string().max(64), temperature: z.number(), seed: z.number() },
    ...{ prompt_tokens: counts, dropped_tokens: counts, answer_tokens: counts },
    finish_reasons: z.array(z.enum(['stop', 'length'])).max(64),
  })
  .optional();

/** Turns as texts, or as objects with `content`: both generations of Arena-Hard and MT-Bench. */
const turn = z.union(
  [text, z.object({ content: text }).transform(({ content }) => content)],
  'a text, or an object with a text "content"',
);

const byQuestionId = z
  .object({
    question_id: id,
    model_id: name,
    choices: z.array(z.object({ turns: z.array(turn).min(1).max(64) })).min(1),
    generation,
  })
  .transform(({ question_id, model_id, choices, generation }): Answer => {
    return { questionId: question_id, model: model_id, turns: choices[0]!.turns, generation };
  });

const content = z.union(
  [text, z.object({ answer: text }).transform(({ answer }) => answer)],
  'a text, or an object with a text "answer"',
);

const byUid = z
  .object({
    uid: id,
    model: name,
    messages: z.array(z.object({ role: z.string(), content })).max(130),
    generation,
  })
  .transform(({ uid, model, messages, generation }): Answer => {
    const turns = messages.filter(({ role }) => role === 'assistant').map(({ content }) => content);
    return { questionId: uid, model, turns, generation };
  });

/** What a line of a layout must be. */
export function answerSchema(layout: AnswerLayout): z.ZodType<Answer> {
  return (layout === 'arena-hard-uid' ? byUid : byQuestionId) as unknown as z.ZodType<Answer>;
}

/**
 * Reads one model's answers, of either project's own tools or of ours.
 * @throws InputErrors naming the line of everything that is wrong: fields, a second answer, another model, a missing turn.
 */
export async function readAnswers(
  file: string,
  layout: AnswerLayout,
  questions: readonly Question[],
): Promise<{ model: string; answers: Map<string, Answer> }> {
  const problems = new FileProblems(file);
  const lines = await checkedLines(file, answerSchema(layout), problems);
  refuseTwice(lines, ({ questionId }) => String(questionId), problems, 'a question is answered twice');
  const turnsOf = new Map(questions.map(({ id, turns }) => [String(id), turns.length]));
  const model = lines[0]?.value.model ?? '';
  for (const { line, value } of lines) {
    if (value.model !== model) {
      problems.add(line, 'other-model', 'the file holds answers of several models', {
        ...{ found: value.model, expected: model, hint: 'give a file of one model' },
      });
    }
    const turns = turnsOf.get(String(value.questionId)) ?? value.turns.length;
    if (value.turns.length >= turns) continue;
    problems.add(line, 'turn-missing', 'an answer has fewer turns than its question', {
      ...{ found: `${value.turns.length} turns`, expected: `${turns} turns` },
    });
  }
  problems.refuse();
  return { model, answers: new Map(lines.map(({ value }) => [String(value.questionId), value])) };
}
