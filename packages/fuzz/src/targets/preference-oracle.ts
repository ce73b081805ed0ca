/** What a preference row must have become, told from the value that JSON.parse gives: TRL's two formats. */
import { isDroppedRow, type Message, type PreferenceRow } from '@selective-dpo/data';
import { sameValue } from './json-oracle.js';

type Fields = Readonly<Record<string, unknown>>;

const own = (value: Fields, name: string): unknown => (Object.hasOwn(value, name) ? value[name] : undefined);
const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Longest text of a row, as the reader states it. */
const LONGEST = 1 << 20;
const FIELDS = ['prompt', 'chosen', 'rejected', 'instruction', 'input', 'history', 'system', 'conversations'];

/** @returns what is wrong with `found` as the row of `value`; undefined where it is right. */
export function wrongRow(value: unknown, found: unknown, row: number): string | undefined {
  if (!isObject(found) || found['row'] !== row) return 'another row number';
  const dropped = isDroppedRow(found);
  if (dropped && typeof found.detail !== 'string') return 'dropped without a word';
  if (!isObject(value)) return dropped ? undefined : 'not dropped, though no object';
  // Long ones are dropped by a count that this does not repeat.
  if (FIELDS.some((name) => JSON.stringify(own(value, name) ?? null).length > LONGEST / 2)) return undefined;
  const [prompt, chosen, rejected] = ['prompt', 'chosen', 'rejected'].map((name) => own(value, name));
  if (typeof chosen === 'string' && typeof rejected === 'string') {
    return wrongTexts(prompt, chosen, rejected, dropped ? undefined : (found as unknown as PreferenceRow));
  }
  if (
    Array.isArray(chosen) &&
    Array.isArray(rejected) &&
    [chosen, rejected].every((side) => side.every(isMessage))
  ) {
    return dropped ? undefined : wrongTurns(prompt, chosen, rejected, found as unknown as PreferenceRow);
  }
  return dropped ? undefined : 'not dropped, though no preference';
}

function wrongTexts(
  prompt: unknown,
  chosen: string,
  rejected: string,
  row: PreferenceRow | undefined,
): string | undefined {
  if (prompt !== undefined && typeof prompt !== 'string')
    return row === undefined ? undefined : 'not dropped';
  if (typeof prompt === 'string') {
    return sameValue(row?.text, { prompt, chosen, rejected }) ? undefined : 'other texts';
  }
  if (row === undefined) return undefined;
  const { text } = row;
  const whole = text !== undefined && text.prompt !== '' && text.prompt + text.chosen === chosen;
  return whole && text.prompt + text.rejected === rejected ? undefined : 'texts that do not add up';
}

function isMessage(value: unknown): boolean {
  if (!isObject(value)) return false;
  const [role, content] = [own(value, 'role'), own(value, 'content')];
  return typeof role === 'string' && role !== '' && typeof content === 'string';
}

/** Turns are those of the row, in their order: what the prompt has and the answers have is what was written. */
function wrongTurns(
  prompt: unknown,
  chosen: Message[],
  rejected: Message[],
  { conversation }: PreferenceRow,
): string | undefined {
  if (conversation === undefined) return 'no conversation';
  for (const [given, side] of [
    [chosen, conversation.chosen],
    [rejected, conversation.rejected],
  ] as const) {
    if (side.length === 0) return 'an answer of no turn';
    const tail = given.slice(given.length - side.length).map(({ role, content }) => ({ role, content }));
    if (!sameValue(side, tail)) return 'other turns in an answer';
    const before = given.slice(0, given.length - side.length).map(({ role, content }) => ({ role, content }));
    const promptTurns = Array.isArray(prompt) || before.length === 0 ? undefined : before;
    if (promptTurns !== undefined && !sameValue(conversation.prompt, promptTurns)) return 'another prompt';
  }
  if (Array.isArray(prompt)) {
    const given = (prompt as Message[]).map(({ role, content }) => ({ role, content }));
    if (!sameValue(conversation.prompt, given)) return 'other turns in the prompt';
  }
  return undefined;
}
