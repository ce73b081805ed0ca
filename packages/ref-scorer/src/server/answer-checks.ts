/** What an answer of a server is held against: nothing of it is taken on trust. */
import { InputError, quoteValue, type TokenIds, type TokenizedPair } from '@selective-dpo/foundation';

export type Side = 'chosen' | 'rejected';
export const SIDES: readonly Side[] = ['chosen', 'rejected'];

/** Servers write a log-prob of −∞ as −9999; nothing at or below this is a log-prob of a model. */
const FLOOR = -9998;
/** float32 and lower precisions may leave a certain token's log-prob so far above 0. */
const ROUNDING = 1e-3;

/** Which sequence of which pair an answer is for. */
export interface AnswerPlace {
  /** Address of the server. */
  server: string;
  row: number;
  side: Side;
}

/** Ids of prompt and response together: [P + T]. */
export function sequenceOf(pair: TokenizedPair, side: Side): TokenIds {
  const response = side === 'chosen' ? pair.chosenIds : pair.rejectedIds;
  const ids = new Int32Array(pair.promptIds.length + response.length);
  ids.set(pair.promptIds);
  ids.set(response, pair.promptIds.length);
  return ids;
}

/** Tokens of both sequences of a pair, as they are sent. */
export function tokensOf({ promptIds, chosenIds, rejectedIds }: TokenizedPair): number {
  return 2 * promptIds.length + chosenIds.length + rejectedIds.length;
}

/** @param position of the token in the whole sequence, from 0. @throws InputError `reference-ids-differ`. */
export function refuseOtherId(place: AnswerPlace, position: number, found: unknown, sent: number): void {
  if (found === sent) return;
  throw new InputError('reference-ids-differ', 'the server scored another token than it was sent', {
    ...placeDetails(place),
    found: `${quoteValue(found)} at position ${position}`,
    expected: `${sent}, as sent`,
    hint: 'the server must not change token ids: check for a proxy, another tokenizer, or a defect of its version',
  });
}

/** @throws InputError `reference-ids-differ`. */
export function refuseOtherCount(place: AnswerPlace, what: string, found: unknown, expected: number): void {
  if (found === expected) return;
  throw new InputError('reference-ids-differ', 'the server answers for another number of tokens', {
    ...placeDetails(place),
    found: `${quoteValue(found)} ${what}`,
    expected: `${expected}`,
    hint: 'the server cut or added tokens: check its length limits and whether it adds special tokens',
  });
}

/**
 * A log-prob as it is stored: what rounding left above 0 is 0.
 * @throws InputError `reference-not-finite`, `reference-not-logprob`.
 */
export function checkedLogp(place: AnswerPlace, position: number, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= FLOOR) {
    throw new InputError('reference-not-finite', 'the reference gives log-probs that are no numbers', {
      ...placeDetails(place),
      found: `${quoteValue(value)} at position ${position}`,
      expected: `finite log-probs above ${FLOOR}`,
      hint: 'null and -9999 stand for a probability of 0: check the served weights, or serve with another --dtype',
    });
  }
  if (value > ROUNDING) {
    throw new InputError('reference-not-logprob', 'the reference gives a log-prob above 0', {
      ...placeDetails(place),
      found: `${value} at position ${position}`,
      expected: 'log-probs of at most 0',
      hint: 'the server must give natural logarithms of probabilities, not logits',
    });
  }
  return Math.min(value, 0);
}

/** @throws InputError `server-answer-invalid`. */
export function refuseShape(place: AnswerPlace, field: string, found: unknown, expected: string): never {
  throw new InputError('server-answer-invalid', 'the server’s answer is not of the form it should have', {
    ...placeDetails(place),
    field,
    found: quoteValue(found),
    expected,
  });
}

function placeDetails({ server, row, side }: AnswerPlace): { file: string; row: number; field: string } {
  return { file: server, row, field: side };
}

/** An object that is no list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** A field of what may be an object, and is not inherited. */
export function fieldOf(value: unknown, name: string): unknown {
  return isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}
