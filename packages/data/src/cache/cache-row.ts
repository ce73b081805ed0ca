/** One row of the cache: a tokenised pair and the reference's log-prob of every response token. */
import { InputError, type TokenizedPair } from '@selective-dpo/foundation';

export interface CacheRow extends TokenizedPair {
  /** [C] log-prob of each chosen token under the reference, in nats. */
  chosenRefLogps: Float32Array;
  /** [R] log-prob of each rejected token under the reference, in nats. */
  rejectedRefLogps: Float32Array;
}

/** float32 rounding may leave the log-prob of a certain token a little above 0. */
const ROUNDING = 1e-4;

const MAX_INT32 = 2 ** 31 - 1;

/**
 * Checks what every stage relies on: a name, a source row that fits an int32, at least one token a list, ids not
 * negative, as many log-probs as tokens, each finite and at most 0.
 * @param file named in the error.
 * @throws InputError `cache-row-invalid`.
 */
export function checkCacheRow(row: CacheRow, file: string): void {
  const refuse = (field: string, found: string, expected: string): never => {
    throw new InputError('cache-row-invalid', 'a row of the cache is not sound', {
      file,
      row: row.sourceRow,
      field,
      found,
      expected,
      hint: 'score the dataset again',
    });
  };
  if (row.pairId === '') refuse('pair_id', 'an empty text', 'the pair’s identifier');
  if (!(Number.isInteger(row.sourceRow) && row.sourceRow >= 0 && row.sourceRow <= MAX_INT32)) {
    refuse('source_row', String(row.sourceRow), `a whole number from 0 to ${MAX_INT32}`);
  }
  for (const [field, ids] of [
    ['prompt_ids', row.promptIds],
    ['chosen_ids', row.chosenIds],
    ['rejected_ids', row.rejectedIds],
  ] as const) {
    if (ids.length === 0) refuse(field, 'no token', 'at least one token');
    const negative = ids.find((id) => id < 0);
    if (negative !== undefined) refuse(field, String(negative), 'ids of at least 0');
  }
  for (const [field, logps, ids] of [
    ['chosen_ref_logps', row.chosenRefLogps, row.chosenIds],
    ['rejected_ref_logps', row.rejectedRefLogps, row.rejectedIds],
  ] as const) {
    if (logps.length !== ids.length) refuse(field, `${logps.length} values`, `${ids.length}, one a token`);
    for (const logp of logps) {
      if (!(logp <= ROUNDING && logp > -Infinity))
        refuse(field, String(logp), 'finite log-probs of at most 0');
    }
  }
}

/** Sum of log-probs in float64, in order: TRL's `ref_chosen_logps`. */
export function sumLogps(logps: Float32Array): number {
  let sum = 0;
  for (const logp of logps) sum += logp;
  return sum;
}
