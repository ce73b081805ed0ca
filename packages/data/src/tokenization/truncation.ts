/** Cutting a pair of token sequences to length limits, so that both stages train on what fits and say so. */
import { InputError, InputErrors } from '@selective-dpo/foundation';

export interface LengthLimits {
  /** Most tokens of prompt plus response, at least 2. Default 1024. */
  maxLength?: number | undefined;
  /** Most tokens of the prompt, at least 1; default: as many as `maxLength` allows. */
  maxPromptLength?: number | undefined;
  /**
   * `keep_start` (default) cuts the ends of responses; `keep_end` cuts the prompt's start first. `maxPromptLength`
   * keeps the prompt's first or last tokens accordingly. With `keep_end` a BOS at the start is cut like any other.
   */
  truncation?: 'keep_start' | 'keep_end' | undefined;
}

export interface ResolvedLimits {
  maxLength: number;
  maxPromptLength: number;
  truncation: 'keep_start' | 'keep_end';
}

export interface PairIds {
  prompt: readonly number[];
  chosen: readonly number[];
  rejected: readonly number[];
}

/** Fills in defaults. @throws InputErrors with every limit that makes no sense (`limit-invalid`). */
export function resolveLimits(limits: LengthLimits): ResolvedLimits {
  const { maxLength = 1024, maxPromptLength = Infinity, truncation = 'keep_start' } = limits;
  const problems: InputError[] = [];
  const check = (field: string, value: number, least: number): void => {
    if (value === Infinity && field === 'maxPromptLength') return;
    if (Number.isSafeInteger(value) && value >= least) return;
    problems.push(
      new InputError('limit-invalid', 'the length limit makes no sense', {
        field,
        found: String(value),
        expected: `a whole number of at least ${least}`,
      }),
    );
  };
  check('maxLength', maxLength, 2);
  check('maxPromptLength', maxPromptLength, 1);
  if (!['keep_start', 'keep_end'].includes(truncation)) {
    problems.push(
      new InputError('limit-invalid', 'there is no such truncation', {
        field: 'truncation',
        found: String(truncation),
        expected: 'keep_start or keep_end',
      }),
    );
  }
  if (problems.length > 0) throw new InputErrors(problems);
  return { maxLength, maxPromptLength, truncation };
}

/**
 * Cuts a pair to the limits. No part of the result is empty if none of the given is.
 * @returns undefined if `keep_start` leaves no room for a response token after the prompt.
 */
export function truncatePair(pair: PairIds, limits: ResolvedLimits): PairIds | undefined {
  const { maxLength, maxPromptLength, truncation } = limits;
  const keepStart = truncation === 'keep_start';
  let prompt = pair.prompt;
  if (prompt.length > maxPromptLength) {
    prompt = keepStart ? prompt.slice(0, maxPromptLength) : prompt.slice(-maxPromptLength);
  }
  const longer = Math.max(pair.chosen.length, pair.rejected.length);
  if (prompt.length + longer <= maxLength) return { ...pair, prompt };
  if (!keepStart) prompt = prompt.slice(-Math.max(1, Math.min(prompt.length, maxLength - longer)));
  const room = maxLength - prompt.length;
  if (room < 1) return undefined;
  return { prompt, chosen: pair.chosen.slice(0, room), rejected: pair.rejected.slice(0, room) };
}
