/** A parser under trial: what it reads, what it may take, and how its results are judged. */
import { describeProblem, problemsOf } from '@selective-dpo/foundation';
import type { Mutation } from '../mutation/mutation.js';

/** A parser made ready in one process. */
export interface PreparedTarget {
  /** Inputs that it must read. */
  seeds: readonly Buffer[];
  /**
   * Parses an input, and holds the result against something that knows nothing of the parser.
   * @returns what is wrong with the result; undefined where it is right.
   * @throws what the parser throws.
   */
  check(input: Buffer): Promise<string | undefined> | string | undefined;
  /** The code of an error that the parser may throw, undefined for one it may not. Default: of InputErrors. */
  codeOf?(error: unknown): string | undefined;
  close?(): Promise<void>;
}

export interface FuzzTarget {
  name: string;
  /** What it reads, for a table. */
  what: string;
  /** Limit on a process' memory while it reads one input, beyond what it takes at rest, in MiB. */
  memoryMiB: number;
  mutations: readonly Mutation[];
  /** @param folder an empty one of its own. */
  prepare(folder: string): Promise<PreparedTarget>;
}

/** Longest that reading one input may take, in milliseconds. */
export const MAX_CASE_MS = 2000;
/** What a terminal obeys, and what turns text around. */
// eslint-disable-next-line no-control-regex
const UNSHOWN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/;
/** Longest line that a person is shown of one problem. */
const MAX_LINE = 5000;

/** The codes of the problems of an InputError or InputErrors; undefined for any other error, and for one that shows badly. */
export function inputErrorCode(error: unknown): string | undefined {
  const problems = problemsOf(error);
  if (problems === undefined || problems.length === 0) return undefined;
  for (const problem of problems) {
    const line = describeProblem(problem);
    const shown = /^[a-z][a-z0-9-]*$/.test(problem.code) && problem.message !== '';
    if (!shown || line.length > MAX_LINE || UNSHOWN.test(line)) return undefined;
  }
  return [...new Set(problems.map(({ code }) => code))].slice(0, 3).join('+');
}
