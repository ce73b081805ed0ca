/**
 * Questions of MT-Bench and Arena-Hard in their projects' own files. Arena-Hard has two generations: the first release names
 * questions by `question_id` and gives a list of turns, the present one has `uid` and one `prompt`; answers and judgments are
 * written in the generation of the questions.
 */
import { z } from 'zod';
import { InputError } from '@selective-dpo/foundation';
import {
  FileProblems,
  MAX_LINE_BYTES,
  checkedLine,
  checkedLines,
  jsonLines,
  type CheckedLine,
} from '@selective-dpo/data';

export const BENCHMARKS = ['mt-bench', 'arena-hard'] as const;
export type Benchmark = (typeof BENCHMARKS)[number];

/** Whose layout answers are written in. */
export type AnswerLayout = 'mt-bench' | 'arena-hard-question-id' | 'arena-hard-uid';

export interface Question {
  /** As the file has it: MT-Bench's are numbers. */
  id: string | number;
  category: string;
  /** What the user says, turn by turn; at least one. */
  turns: string[];
  /** Right answers, one a turn, where the file gives them. */
  references?: string[] | undefined;
}

export interface QuestionSet {
  layout: AnswerLayout;
  questions: Question[];
}

/** Longest text of a turn, in characters. */
const MAX_TEXT = 1 << 20;
const text = z.string().min(1).max(MAX_TEXT);
const id = z.union([z.string().min(1).max(200), z.number().int().safe()], 'a text or a whole number');

const mtBench = z
  .object({
    question_id: id,
    category: text,
    turns: z.array(text).min(1).max(16),
    reference: z.array(z.string().max(MAX_TEXT)).nullish(),
  })
  .transform(({ question_id, category, turns, reference }): Question => {
    return { id: question_id, category, turns, references: reference ?? undefined };
  });

const arenaHardUid = z
  .object({ uid: z.string().min(1).max(200), category: text, prompt: text })
  .transform(({ uid, category, prompt }): Question => ({ id: uid, category, turns: [prompt] }));

const arenaHardQuestionId = z
  .object({
    question_id: id,
    category: text,
    turns: z
      .array(z.object({ content: text }))
      .min(1)
      .max(16),
  })
  .transform(({ question_id, category, turns }): Question => {
    return { id: question_id, category, turns: turns.map(({ content }) => content) };
  });

/**
 * Reads a file of questions.
 * @throws InputErrors naming the line of everything that is wrong, InputError `other-benchmark`, `no-questions`, or the file
 * system's.
 */
export async function readQuestions(file: string, benchmark: Benchmark): Promise<QuestionSet> {
  const problems = new FileProblems(file);
  const first = await firstObject(file);
  refuseOtherBenchmark(file, benchmark, first);
  const layout = benchmark === 'mt-bench' ? 'mt-bench' : arenaHardGeneration(first);
  const schema = {
    'mt-bench': mtBench,
    'arena-hard-uid': arenaHardUid,
    'arena-hard-question-id': arenaHardQuestionId,
  }[layout] as z.ZodType<Question>;
  const lines = await checkedLines(file, schema, problems);
  refuseTwice(lines, ({ id }) => String(id), problems, 'a question is there twice');
  problems.refuse();
  if (lines.length === 0) {
    throw new InputError('no-questions', 'the file holds no question', { file });
  }
  return { layout, questions: lines.map(({ value }) => value) };
}

type JsonObject = Record<string, unknown>;

/** The first line that is an object. */
async function firstObject(file: string): Promise<JsonObject> {
  for await (const line of jsonLines(file, false, MAX_LINE_BYTES)) {
    const first = checkedLine(line, z.looseObject({}), new FileProblems(file))?.data;
    if (first !== undefined) return first;
  }
  return {};
}

/** By the first question: a mixed file is refused line by line later. */
function arenaHardGeneration(first: JsonObject): 'arena-hard-uid' | 'arena-hard-question-id' {
  const older = Object.hasOwn(first, 'question_id') && !Object.hasOwn(first, 'uid');
  return older ? 'arena-hard-question-id' : 'arena-hard-uid';
}

/** @throws InputError `other-benchmark` where the first question is one of the other's. */
function refuseOtherBenchmark(file: string, asked: Benchmark, first: JsonObject): void {
  const { uid, turns } = first;
  const turn: unknown = Array.isArray(turns) ? turns[0] : undefined;
  const found =
    typeof turn === 'string' ? 'mt-bench' : uid !== undefined || turn !== undefined ? 'arena-hard' : asked;
  if (found === asked) return;
  throw new InputError('other-benchmark', 'the questions are laid out as another benchmark has them', {
    file,
    found,
    expected: asked,
    hint: `use --format ${found}`,
  });
}

/** Adds a problem for every line whose key an earlier line has. */
export function refuseTwice<T>(
  lines: readonly CheckedLine<T>[],
  keyOf: (value: T) => string,
  problems: FileProblems,
  message: string,
): void {
  const seen = new Map<string, number>();
  for (const { line, value } of lines) {
    const key = keyOf(value);
    const before = seen.get(key);
    if (before === undefined) seen.set(key, line);
    else problems.add(line, 'line-twice', message, { found: key, expected: `only line ${before}` });
  }
}
