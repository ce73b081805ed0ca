/** Judging from files to a result: `judgePairs` and `rateAnswers`. A second call goes on where the first one ended. */
import { InputError, type ProgressListener } from '@selective-dpo/foundation';
import type { z } from 'zod';
import { readAnswers, type Answer } from '../benchmarks/answers.js';
import { readQuestions, type Benchmark, type Question } from '../benchmarks/questions.js';
import { AppendedLines, FileProblems, type CheckedLine, type OwnLines } from '@selective-dpo/data';
import type { Judge } from './judge.js';
import { judgeTasks, type JudgingTask } from './judging-pass.js';
import { readMtBenchPrompts } from './mt-bench-prompts.js';
import { isOfMatch, pairwiseLine, pairwiseSchema, pairwiseTask, type Match } from './pairwise.js';
import { ratingResult, type RatingResult } from './rating-result.js';
import { isOfTurn, lacksReference, turnJudgmentSchema, turnKey, turnsToJudge, turnTask } from './single.js';
import { pairwiseResult, type PairwiseResult } from './win-rate.js';

export interface JudgingOptions {
  judge: Judge;
  questionFile: string;
  format: Benchmark;
  /** The first questions of the file only. */
  limit?: number | undefined;
  /** Answers of the model, in either project's layout. */
  answerFile: string;
  /** The judgment file: made, or gone on with. */
  outFile: string;
  /** How often a verdict is asked for until there is one. */
  attempts: number;
  /** Requests under way at one time. */
  concurrency: number;
  /** Calls the judge repeated so far, for the progress. */
  repeated?: () => number;
  listener?: ProgressListener;
  signal?: AbortSignal;
}

/**
 * Compares a model's answers with a baseline's, every question in both orders.
 * @throws InputError, InputErrors for bad input; Interrupted when `signal` stopped it.
 */
export async function judgePairs(
  options: JudgingOptions & { baselineFile: string },
): Promise<PairwiseResult> {
  const { judge, attempts } = options;
  const set = await readQuestions(options.questionFile, options.format);
  const questions = set.questions.slice(0, options.limit);
  const model = await answersToAll(options.answerFile, set.layout, questions);
  const baseline = await answersToAll(options.baselineFile, set.layout, questions);
  const match: Match = {
    ...{ set, model: model.model, baseline: baseline.model },
    ...{ modelAnswers: model.answers, baselineAnswers: baseline.answers },
  };
  const idField = set.layout === 'arena-hard-uid' ? 'uid' : 'question_id';
  const judgments = await judgedInto(options, pairwiseSchema(idField), {
    ours: { opening: `{"${idField}":`, inputs: inputsOf(options, options.baselineFile) },
    keyOf: ({ id }) => String(id),
    wanted: new Map(questions.map((question) => [String(question.id), question])),
    isOfThis: (judgment, question) => isOfMatch(judgment, question, match, judge),
    task: (question, keep) =>
      pairwiseTask(question, match, judge, attempts, (judgment) => pairwiseLine(keep(judgment), idField)),
  });
  return pairwiseResult(questions, judgments, {
    ...{ model: match.model, baseline: match.baseline, judge: judge.name },
  });
}

/**
 * Rates a model's answers from 1 to 10 by MT-Bench's prompts.
 * @throws as {@link judgePairs}.
 */
export async function rateAnswers(
  options: JudgingOptions & {
    /** `judge_prompts.jsonl`. */
    promptFile: string;
    /** FastChat's `reference_answer` file, in place of the references in the questions. */
    referenceFile?: string | undefined;
    /** Seconds since 1970, for the judgments. */
    now: () => number;
  },
): Promise<RatingResult> {
  const { judge, attempts } = options;
  const prompts = await readMtBenchPrompts(options.promptFile);
  const set = await readQuestions(options.questionFile, options.format);
  const questions = await withReferences(set.questions.slice(0, options.limit), options.referenceFile);
  const { model, answers } = await answersToAll(options.answerFile, set.layout, questions);
  const lacking = questions.filter(lacksReference).length;
  if (lacking > 0) {
    options.listener?.({
      ...{ type: 'notice', code: 'no-reference', figures: { questions: lacking } },
      message: `questions of math, reasoning and coding that are rated without a reference answer, having none: ${lacking}`,
    });
  }
  const turns = turnsToJudge(questions, answers, prompts);
  const judgments = await judgedInto(options, turnJudgmentSchema, {
    ours: {
      opening: '{"question_id":',
      inputs: inputsOf(options, options.promptFile, options.referenceFile),
    },
    keyOf: ({ question_id, turn }) => turnKey(question_id, turn),
    wanted: new Map(turns.map((one) => [turnKey(one.question.id, one.turn), one])),
    isOfThis: (line, one) => isOfTurn(line, one, model, judge),
    task: (one, keep) =>
      turnTask(one, answers.get(String(one.question.id))!, judge, attempts, options.now, keep),
  });
  return ratingResult(questions, judgments, { model, judge: judge.name });
}

async function withReferences(questions: Question[], file: string | undefined): Promise<Question[]> {
  if (file === undefined) return questions;
  const { answers } = await readAnswers(file, 'mt-bench', questions);
  return questions.map((question) => ({
    ...question,
    references: answers.get(String(question.id))?.turns ?? question.references,
  }));
}

/** @throws InputErrors naming every question that is not answered. */
async function answersToAll(
  file: string,
  layout: Parameters<typeof readAnswers>[1],
  questions: readonly Question[],
): Promise<{ model: string; answers: ReadonlyMap<string, Answer> }> {
  const read = await readAnswers(file, layout, questions);
  const unanswered = questions.filter(({ id }) => !read.answers.has(String(id)));
  if (unanswered.length === 0) return read;
  throw new InputError('answers-missing', 'the file does not answer every question', {
    file,
    found: `${unanswered.length} questions without an answer, the first one ${unanswered[0]!.id}`,
    hint: 'finish it with sdpo eval answers, or judge the first ones alone with --limit',
  });
}

/** Files that are read while judgments are written. */
function inputsOf({ questionFile, answerFile }: JudgingOptions, ...others: (string | undefined)[]): string[] {
  return [questionFile, answerFile, ...others].filter((file) => file !== undefined);
}

/** Things to judge, by key. */
interface Plan<Wanted, Judgment> {
  ours: OwnLines;
  keyOf(judgment: Judgment): string;
  wanted: ReadonlyMap<string, Wanted>;
  /** Whether a judgment found in the file is one of what would be asked now. */
  isOfThis(judgment: Judgment, wanted: Wanted): boolean;
  task(wanted: Wanted, keep: (judgment: Judgment) => Judgment): JudgingTask;
}

/** Judges what the file has no judgment of. @returns all judgments, old and new, by key. */
async function judgedInto<Wanted, Judgment extends object>(
  options: JudgingOptions,
  schema: z.ZodType<Judgment>,
  plan: Plan<Wanted, Judgment>,
): Promise<ReadonlyMap<string, Judgment>> {
  const { file, lines } = await AppendedLines.open(options.outFile, schema, plan.ours);
  try {
    const judgments = judgedBefore(options.outFile, lines, plan);
    const tasks = [...plan.wanted].flatMap(([key, wanted]) =>
      judgments.has(key)
        ? []
        : [
            plan.task(wanted, (judgment) => {
              judgments.set(key, judgment);
              return judgment;
            }),
          ],
    );
    await judgeTasks(tasks, file, {
      ...{ concurrency: options.concurrency, alreadyDone: plan.wanted.size - tasks.length },
      ...{ listener: options.listener, signal: options.signal },
      ...(options.repeated === undefined ? {} : { repeated: options.repeated }),
    });
    return judgments;
  } finally {
    await file.close();
  }
}

/** @throws InputErrors naming every line that is there twice, or is of another judge, model or text. */
function judgedBefore<Wanted, Judgment>(
  path: string,
  lines: readonly CheckedLine<Judgment>[],
  plan: Plan<Wanted, Judgment>,
): Map<string, Judgment> {
  const problems = new FileProblems(path);
  const judgments = new Map<string, Judgment>();
  const others: { line: number; key: string }[] = [];
  for (const { line, value } of lines) {
    const key = plan.keyOf(value);
    const wanted = plan.wanted.get(key);
    if (wanted === undefined) continue;
    if (judgments.has(key)) problems.add(line, 'line-twice', 'something is judged twice', { found: key });
    if (!plan.isOfThis(value, wanted)) others.push({ line, key });
    judgments.set(key, value);
  }
  problems.addAt(
    others.map(({ line }) => line),
    'judged-otherwise',
    'the judgment is of another judge, model, answer or prompt',
    {
      found: `question ${others[0]?.key}`,
      hint: 'remove such a line to have it judged anew, or choose another --out',
    },
  );
  problems.refuse();
  return judgments;
}
