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
  const { pairId, sourceRow, promptIds, chosenIds, rejectedIds, chosenRefLogps, rejectedRefLogps } = row;
  if (pairId === '') refuse(row, file, 'pair_id', 'an empty text', 'the pair’s identifier');
  if (!(Number.isInteger(sourceRow) && sourceRow >= 0 && sourceRow <= MAX_INT32)) {
    refuse(row, file, 'source_row', String(sourceRow), `a whole number from 0 to ${MAX_INT32}`);
  }
  const lists: [string, Int32Array, Float32Array | undefined][] = [
    ['prompt_ids', promptIds, undefined],
    ['chosen_ids', chosenIds, chosenRefLogps],
    ['rejected_ids', rejectedIds, rejectedRefLogps],
  ];
  for (const [field, ids] of lists) {
    if (ids.length === 0) refuse(row, file, field, 'no token', 'at least one token');
    const negative = placeOfNegative(ids);
    if (negative >= 0) refuse(row, file, field, String(ids[negative]), 'ids of at least 0');
  }
  for (const [name, ids, logps] of lists) {
    if (logps === undefined) continue;
    const field = name.replace('_ids', '_ref_logps');
    if (logps.length !== ids.length) {
      refuse(row, file, field, `${logps.length} values`, `${ids.length}, one a token`);
    }
    const unsound = placeOfUnsound(logps);
    if (unsound >= 0) refuse(row, file, field, String(logps[unsound]), 'finite log-probs of at most 0');
  }
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

// Plain loops: every row that is read goes through them.

function placeOfNegative(ids: Int32Array): number {
  for (let i = 0; i < ids.length; i++) if (ids[i]! < 0) return i;
  return -1;
}

function placeOfUnsound(logps: Float32Array): number {
  for (let i = 0; i < logps.length; i++) {
    if (!(logps[i]! <= ROUNDING && logps[i]! > -Infinity)) return i;
  }
  return -1;
}

/** Sum of log-probs in float64, in order: TRL's `ref_chosen_logps`. */
export function sumLogps(logps: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < logps.length; i++) sum += logps[i]!;
  return sum;
}
