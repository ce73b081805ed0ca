/**
 * A row that another program has scored: token ids and the reference's log-prob of each response token.
 *
 * - ids: TRL's names, `prompt_ids`, `chosen_ids`, `rejected_ids`;
 * - log-probs, the first of these that a row has: `chosen_ref_logps` and `rejected_ref_logps` (a cache's own Parquet columns);
 *   `ref_win_per_token_logp` and `ref_rej_per_token_logp`, or `logps` with both (RLHF-V and RLAIF-V: [sum, mean, list] of each answer, or the same
 *   as JSON, in an object of that name); `ref_chosen_logps` and `ref_rejected_logps` (TRL's), where they are lists.
 *
 * A list has one value a response token, or one for each token of prompt and response but the first (RLHF-V's, over the whole sequence), of which
 * the last ones are the response's. What holds no value a token, or no ids to hold the values against, is refused with the reason.
 */
import { InputError, parseShallowJson, quoteValue } from '@selective-dpo/foundation';
import type { CacheRow } from '../cache/cache-row.js';
import { describeMissing, hasFields, isRecord, ownField } from '../rows/own-field.js';
import { asTokenizedPair } from '../tokenization/tokenize-pair.js';

const IDS = ['prompt_ids', 'chosen_ids', 'rejected_ids'] as const;
const OWN = ['chosen_ref_logps', 'rejected_ref_logps'] as const;
const RLHF_V = ['ref_win_per_token_logp', 'ref_rej_per_token_logp'] as const;
const TRL = ['ref_chosen_logps', 'ref_rejected_logps'] as const;
/** Where RLHF-V's `logps` has the two lists among its six values. */
const [WIN_PLACE, REJ_PLACE, LOGPS_LENGTH] = [2, 5, 6];
const MAX_LOGPS_DEPTH = 8;

/** Every column that may be of use. */
export const IMPORTED_COLUMNS: readonly string[] = ['pair_id', ...IDS, ...OWN, ...RLHF_V, ...TRL, 'logps'];

const MAX_ID = 2 ** 31 - 1;

/**
 * Reads one row.
 * @param row 0-based.
 * @param vocabularySize ids are below it.
 * @throws InputError `row-unreadable`, `ids-missing`, `logps-missing`, `logps-per-pair`, `logps-misaligned`, `token-out-of-range`.
 */
export function importedRow(value: unknown, row: number, file: string, vocabularySize: number): CacheRow {
  const at = { file, row };
  if (!isRecord(value)) throw problem('row-unreadable', at, 'the row', describeMissing(value, 'an object'));
  if (!hasFields(value, ...IDS)) throw withoutIds(value, at);
  const [prompt, chosen, rejected] = IDS.map((name) => idsOf(value, name, at, vocabularySize)) as [
    number[],
    number[],
    number[],
  ];
  const lists = logpsOf(value, at);
  const pair = asTokenizedPair(row, { prompt, chosen, rejected });
  const pairId = ownField(value, 'pair_id');
  return {
    ...pair,
    ...(typeof pairId === 'string' && pairId !== '' ? { pairId } : {}),
    chosenRefLogps: alignedLogps(lists[0], prompt.length, chosen.length, at),
    rejectedRefLogps: alignedLogps(lists[1], prompt.length, rejected.length, at),
  };
}

interface Place {
  file: string;
  row: number;
}

interface NamedList {
  name: string;
  values: readonly number[];
}

function idsOf(row: Record<string, unknown>, name: string, at: Place, vocabularySize: number): number[] {
  const { values } = numbers(ownField(row, name), name, at);
  const wrong = values.find(
    (id) => !(Number.isInteger(id) && id >= 0 && id <= MAX_ID && id < vocabularySize),
  );
  if (wrong === undefined && values.length > 0) return [...values];
  throw new InputError('token-out-of-range', 'a list of ids is not one of the tokenizer', {
    ...{ ...at, field: name },
    found: wrong === undefined ? 'no id' : String(wrong),
    expected: `at least one id, each from 0 to ${vocabularySize - 1}`,
    hint: 'give the tokenizer that the ids were made with',
  });
}

/** Lists of chosen and rejected, from wherever the row has them. */
function logpsOf(row: Record<string, unknown>, at: Place): [NamedList, NamedList] {
  for (const names of [OWN, RLHF_V]) if (hasFields(row, ...names)) return pairOf(row, names, at);
  if (hasFields(row, 'logps')) return insideLogps(ownField(row, 'logps'), at);
  if (hasFields(row, ...TRL)) {
    if (typeof ownField(row, TRL[0]) === 'number') throw perPair(at);
    return pairOf(row, TRL, at);
  }
  throw new InputError('logps-missing', 'the row has no log-probs of the reference', {
    ...at,
    expected: `${OWN.join(' and ')}, ${RLHF_V.join(' and ')}, logps, or ${TRL.join(' and ')} as lists`,
    hint: 'score the dataset: sdpo score',
  });
}

function pairOf(row: Record<string, unknown>, names: readonly [string, string], at: Place) {
  return names.map((name) => numbers(ownField(row, name), name, at)) as [NamedList, NamedList];
}

/** RLHF-V: [sum, mean, list] of the preferred answer and of the other, as JSON or not, alone or under `logps` again. */
function insideLogps(field: unknown, at: Place): [NamedList, NamedList] {
  let value = field;
  if (typeof value === 'string') {
    try {
      value = parseShallowJson(value, MAX_LOGPS_DEPTH);
    } catch (error) {
      throw problem('row-unreadable', at, 'logps', `is no JSON: ${(error as Error).message}`);
    }
  }
  if (isRecord(value)) value = ownField(value, 'logps');
  if (!Array.isArray(value) || value.length !== LOGPS_LENGTH)
    throw problem('row-unreadable', at, 'logps', describeMissing(value, 'a list of six values'));
  const list = value as unknown[];
  return [numbers(list[WIN_PLACE], 'logps[2]', at), numbers(list[REJ_PLACE], 'logps[5]', at)];
}

function numbers(value: unknown, name: string, at: Place): NamedList {
  const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  if (!isList) throw problem('row-unreadable', at, name, describeMissing(value, 'a list of numbers'));
  const values = Array.from(value as ArrayLike<unknown>, (item) =>
    typeof item === 'bigint' ? Number(item) : item,
  );
  const place = values.findIndex((item) => typeof item !== 'number');
  if (place >= 0)
    throw problem(
      'row-unreadable',
      at,
      name,
      `holds ${quoteValue(values[place])} where a number is expected`,
    );
  return { name, values: values as number[] };
}

/** The last `response` values of a list over the response or over the whole sequence but its first token. */
function alignedLogps(
  { name, values }: NamedList,
  prompt: number,
  response: number,
  at: Place,
): Float32Array {
  if (values.length === response || values.length === prompt + response - 1)
    return Float32Array.from(values.slice(values.length - response));
  throw new InputError('logps-misaligned', 'there are not as many log-probs as tokens', {
    ...{ ...at, field: name },
    found: `${values.length} values`,
    expected: `${response}, one a response token, or ${prompt + response - 1}, one a token of prompt and response but the first`,
    hint: 'the ids and the log-probs must be of one tokenisation',
  });
}

function perPair(at: Place): InputError {
  return new InputError('logps-per-pair', 'the row holds one sum a response', {
    ...{ ...at, field: TRL.join(', ') },
    expected: 'one log-prob a token: a sum does not say on which tokens policy and reference disagree',
    hint: 'score the dataset: sdpo score',
  });
}

function withoutIds(row: Record<string, unknown>, at: Place): InputError {
  const images = hasFields(row, 'image') || hasFields(row, 'image_path') || hasFields(row, 'logps');
  const why = images ? ' (those of RLHF-V count image tokens, too)' : '';
  return new InputError('ids-missing', 'the row has no token ids', {
    ...at,
    found: `fields ${Object.keys(row).slice(0, 20).join(', ')}`,
    expected: `${IDS.join(', ')}: without them nothing says which token a log-prob is of${why}`,
    hint: 'write the ids beside the log-probs, or score the dataset: sdpo score',
  });
}

function problem(code: string, at: Place, field: string, found: string): InputError {
  return new InputError(code, 'a field is not as it should be', { ...at, field, found });
}
