import { InputError, InputErrors } from '@selective-dpo/foundation';

/** The problems that `work` is refused for; fails where it is not refused, or by an error that is not typed. */
export async function refusalOf(work: () => Promise<unknown>): Promise<readonly InputError[]> {
  let result: unknown;
  try {
    result = await work();
  } catch (error) {
    if (error instanceof InputErrors) return error.problems;
    if (error instanceof InputError) return [error];
    throw error;
  }
  throw new Error(`not refused; it gave ${JSON.stringify(result)}`);
}

export const codesOf = (problems: readonly InputError[]) => problems.map(({ code }) => code);
