import type { Outcome } from './outcome.js';
import { inputErrorCode, type PreparedTarget } from './target.js';

/** Parses one input and tells what became of it. */
export async function runCase(
  prepared: PreparedTarget,
  input: Buffer,
): Promise<Pick<Outcome, 'kind' | 'detail'>> {
  try {
    const wrong = await prepared.check(input);
    return wrong === undefined ? { kind: 'right', detail: '' } : { kind: 'wrong', detail: wrong };
  } catch (error) {
    const code = (prepared.codeOf ?? inputErrorCode)(error);
    if (code !== undefined) return { kind: 'refused', detail: code };
    return { kind: 'untyped', detail: String((error as Error | undefined)?.stack ?? error).slice(0, 1000) };
  }
}
