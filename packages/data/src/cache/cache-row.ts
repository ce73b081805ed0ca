/** One row of the cache: a tokenised pair and the reference's log-prob of every response token. */
import { InputError, type TokenizedPair } from '@selective-dpo/foundation';
import { problemOfTop, type ReferenceTop } from './reference-top.js';

export interface CacheRow extends TokenizedPair {
  /** [C] log-prob of each chosen token under the reference, in nats. */
  chosenRefLogps: Float32Array;
  /** [R] log-prob of each rejected token under the reference, in nats. */
  rejectedRefLogps: Float32Array;
  /** In caches that hold it. */
  refTop?: ReferenceTop;
}

/** float32 rounding may leave the log-prob of a certain token a little above 0. */
const ROUNDING = 1e-4;

const MAX_INT32 = 2 ** 31 - 1;

const MAX_ID_LENGTH = 65_536;
/** Bytes that an identifier takes at most. */
export const MAX_ID_BYTES = 4 * MAX_ID_LENGTH;

/**
 * Checks what every stage relies on: a name of some length, a source row that fits an int32, at least one token a list, ids not
 * negative, as many log-probs as tokens, each finite and at most 0.
 * @param file named in the error.
 * @param topLogprobs likeliest tokens that the cache holds in the place of each; see {@link problemOfTop}.
 * @throws InputError `cache-row-invalid`.
 */
export function checkCacheRow(row: CacheRow, file: string, topLogprobs?: number): void {
  const { pairId, sourceRow } = row;
  if (pairId === '') refuse(row, file, 'pair_id', 'an empty text', 'the pair’s identifier');
  if (pairId.length > MAX_ID_LENGTH) {
    refuse(row, file, 'pair_id', `${pairId.length} characters`, `at most ${MAX_ID_LENGTH}`);
  }
  if (!(Number.isInteger(sourceRow) && sourceRow >= 0 && sourceRow <= MAX_INT32)) {
    refuse(row, file, 'source_row', String(sourceRow), `a whole number from 0 to ${MAX_INT32}`);
  }
  checkIds(row, file, 'prompt_ids', row.promptIds);
  checkIds(row, file, 'chosen_ids', row.chosenIds);
  checkIds(row, file, 'rejected_ids', row.rejectedIds);
  checkLogps(row, file, 'chosen_ref_logps', row.chosenRefLogps, row.chosenIds.length);
  checkLogps(row, file, 'rejected_ref_logps', row.rejectedRefLogps, row.rejectedIds.length);
  if (topLogprobs !== undefined || row.refTop !== undefined) checkTop(row, file, topLogprobs ?? 0);
}

// Plain loops, and nothing made for a row that is sound: every row that is read goes through them.

function checkIds(row: CacheRow, file: string, field: string, ids: Int32Array): void {
  if (ids.length === 0) refuse(row, file, field, 'no token', 'at least one token');
  for (let i = 0; i < ids.length; i++) {
    if (ids[i]! < 0) refuse(row, file, field, String(ids[i]), 'ids of at least 0');
  }
}

function checkLogps(row: CacheRow, file: string, field: string, logps: Float32Array, tokens: number): void {
  if (logps.length !== tokens) refuse(row, file, field, `${logps.length} values`, `${tokens}, one a token`);
  for (let i = 0; i < logps.length; i++) {
    const logp = logps[i]!;
    if (!(logp <= ROUNDING && logp > -Infinity)) {
      refuse(row, file, field, String(logp), 'finite log-probs of at most 0');
    }
  }
}

function checkTop(row: CacheRow, file: string, n: number): void {
  const { refTop, chosenIds, rejectedIds } = row;
  if (refTop === undefined || n === 0) {
    const [found, expected] = n === 0 ? ['values', 'none'] : ['nothing', `${n} tokens in the place of each`];
    refuse(row, file, 'chosen_ref_top_ids', found!, expected!);
  }
  const chosen = problemOfTop(refTop.chosenIds, refTop.chosenLogps, chosenIds.length, n, ROUNDING);
  if (chosen !== undefined) refuse(row, file, `chosen_ref_top_${chosen.list}`, chosen.found, chosen.expected);
  const rejected = problemOfTop(refTop.rejectedIds, refTop.rejectedLogps, rejectedIds.length, n, ROUNDING);
  if (rejected !== undefined)
    refuse(row, file, `rejected_ref_top_${rejected.list}`, rejected.found, rejected.expected);
}

function refuse(row: CacheRow, file: string, field: string, found: string, expected: string): never {
  throw new InputError('cache-row-invalid', 'a row of the cache is not sound', {
    file,
    row: row.sourceRow,
    field,
    found,
    expected,
    hint: 'score the dataset again',
  });
}

/** Sum of log-probs in float64, in order: TRL's `ref_chosen_logps`. */
export function sumLogps(logps: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < logps.length; i++) sum += logps[i]!;
  return sum;
}
