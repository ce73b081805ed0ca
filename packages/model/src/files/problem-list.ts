/** Reporting of everything that is wrong with a model at once, in a length a person can read. */
import { InputError, InputErrors } from '@selective-dpo/foundation';

/** Problems listed one by one; the last line counts the rest. */
const MAX_LISTED = 50;

/** @throws InputErrors if there are problems: the first 50, the last of them saying how many more there are. */
export function throwProblems(problems: readonly InputError[]): void {
  if (problems.length === 0) return;
  if (problems.length <= MAX_LISTED) throw new InputErrors(problems);
  const last = problems[MAX_LISTED - 1]!;
  const rest = problems.length - MAX_LISTED;
  throw new InputErrors([
    ...problems.slice(0, MAX_LISTED - 1),
    new InputError(last.code, `${last.message} (and ${rest} more problems)`, last.details),
  ]);
}
