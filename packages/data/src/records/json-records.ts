/** JSON Lines files that nobody has checked: every line is held against a schema, and all problems are reported at once. */
import { InputError, InputErrors, parseShallowJson, quoteValue } from '@selective-dpo/foundation';
import type { z } from 'zod';
import { jsonLines } from '../rows/json-lines.js';
import type { RowText } from '../rows/text-pieces.js';
import { expectation } from './expectation.js';

/** A line's value and its 1-based number. */
export interface CheckedLine<T> {
  line: number;
  value: T;
}

/** Longest line of a file of questions, answers or judgments, in bytes. */
export const MAX_LINE_BYTES = 16 << 20;
/** Objects inside one another: a judgment has games, a game has a prompt, a prompt has messages. */
const MAX_DEPTH = 12;
/** Lines of such a file; the largest benchmark has 500. */
const MAX_LINES = 100_000;
/** Problems that are reported; more tell nothing new. */
const MAX_PROBLEMS = 100;

/** Gathers the problems of a file, up to a number. */
export class FileProblems {
  private readonly found: InputError[] = [];
  private more = 0;

  constructor(readonly file: string) {}

  add(line: number, code: string, message: string, details: object = {}): void {
    if (this.found.length < MAX_PROBLEMS) {
      this.found.push(new InputError(code, message, { file: this.file, line, ...details }));
    } else this.more++;
  }

  /** One problem of many lines: told at the first, with their number. */
  addAt(
    lines: readonly number[],
    code: string,
    message: string,
    details: { found: string; hint: string },
  ): void {
    const [first, ...others] = lines;
    if (first === undefined) return;
    const more = others.length === 0 ? '' : `, and so are ${others.length} of the lines behind it`;
    this.add(first, code, message, { ...details, found: `${details.found}${more}` });
  }

  /** @throws InputErrors with every problem found. */
  refuse(): void {
    if (this.found.length === 0) return;
    const rest = new InputError('more-problems', `${this.more} more problems`, { file: this.file });
    throw new InputErrors(this.more === 0 ? this.found : [...this.found, rest]);
  }
}

/**
 * The lines of a file as `schema` reads them.
 * @param problems where what is wrong goes; nothing is thrown for it.
 * @param length bytes at the beginning of the file that are read; by default all.
 * @throws InputError for what ends the reading: `file-not-found`, `row-too-long`, `not-utf8`, `too-many-lines`, …
 */
export async function checkedLines<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
  problems: FileProblems,
  length = Infinity,
): Promise<CheckedLine<z.infer<Schema>>[]> {
  const lines: CheckedLine<z.infer<Schema>>[] = [];
  if (length === 0) return lines;
  for await (const text of jsonLines(file, false, MAX_LINE_BYTES, length)) {
    const value = checkedLine(text, schema, problems);
    if (value !== undefined) lines.push({ line: text.line, value: value.data });
    if (lines.length > MAX_LINES) {
      throw new InputError('too-many-lines', 'the file has more lines than any of its kind', {
        file,
        expected: `at most ${MAX_LINES}`,
      });
    }
  }
  return lines;
}

/** A line's value, or undefined where a problem was added. */
export function checkedLine<Schema extends z.ZodType>(
  { text, line }: RowText,
  schema: Schema,
  problems: FileProblems,
): { data: z.infer<Schema> } | undefined {
  let value: unknown;
  try {
    value = parseShallowJson(text, MAX_DEPTH);
  } catch (error) {
    problems.add(line, 'json-broken', 'the line is not valid JSON', { found: (error as Error).message });
    return undefined;
  }
  const result = schema.safeParse(value);
  if (result.success) return { data: result.data };
  for (const issue of result.error.issues) {
    const field = issue.path.map(String).join('.');
    problems.add(line, 'field-invalid', 'a field is missing or has a value that is not allowed', {
      ...(field === '' ? {} : { field }),
      found: foundAt(value, issue.path),
      expected: expectation(issue),
    });
  }
  return undefined;
}

function foundAt(value: unknown, path: readonly PropertyKey[]): string {
  let at: unknown = value;
  for (const key of path) {
    if (at === null || typeof at !== 'object' || !Object.hasOwn(at, key)) return 'nothing';
    at = (at as Record<PropertyKey, unknown>)[key];
  }
  return quoteValue(at);
}
