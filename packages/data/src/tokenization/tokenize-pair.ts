/**
 * One preference row as token ids. Both whole sequences are rendered and tokenised as the policy will see them, and
 * split by ids (METHOD.md, traps 3 and 4), never part by part.
 */
import { createHash } from 'node:crypto';
import type { TokenizedPair } from '@selective-dpo/foundation';
import {
  isDroppedRow,
  MAX_TEXT_LENGTH,
  type DroppedRow,
  type DropReason,
  type PreferenceConversation,
  type PreferenceRow,
  type PreferenceText,
} from '../rows/preference-row.js';
import type { PreferenceSource } from '../rows/preference-source.js';
import { TemplateRefusal } from './chat-template.js';
import type { PairTokenizer } from './pair-tokenizer.js';
import { resolveLimits, truncatePair, type LengthLimits, type PairIds } from './truncation.js';

/**
 * Tokenises every row of a source, in order; rows that give no pair come as {@link DroppedRow}. Memory: one row.
 * @throws InputErrors for senseless limits, InputError as the source and the chat template do.
 */
export async function* tokenizePairs(
  source: Pick<PreferenceSource, 'rows'>,
  tokenizer: PairTokenizer,
  limits: LengthLimits = {},
): AsyncGenerator<TokenizedPair | DroppedRow> {
  resolveLimits(limits);
  for await (const row of source.rows()) yield tokenizePair(row, tokenizer, limits);
}

/**
 * Tokenises one row.
 *
 * - With a chat template, a conversation is rendered by it, and its ids are taken as they are: like TRL 1.13
 *   nothing is appended, since the template itself ends a turn. Other rows are texts: the tokenizer's own BOS
 *   rule applies, and EOS is appended unless the ids end with it (TRL's `add_eos`).
 * - The prompt is the shortest of the common prefixes of the prompt's own ids (with generation prompt) and each whole sequence, so both
 *   responses follow exactly the same ids.
 * - `pairId` is the row number and the first 16 hexadecimal digits of SHA-256 over the three id lists: unique
 *   in a file by the first, changed by any change of ids by the second.
 *
 * @throws InputErrors for senseless limits; InputError `chat-template-runaway`.
 */
export function tokenizePair(
  row: PreferenceRow | DroppedRow,
  tokenizer: PairTokenizer,
  limits: LengthLimits = {},
): TokenizedPair | DroppedRow {
  const resolved = resolveLimits(limits);
  if (isDroppedRow(row)) return row;
  const drop = (reason: DropReason, detail: string): DroppedRow => ({ row: row.row, reason, detail });
  const source = chooseForm(row, tokenizer);
  if (source.form === 'none') return drop('unreadable', source.problem);
  for (const side of ['chosen', 'rejected'] as const) {
    if (isBlank(source.value[side])) return drop(`empty-${side}`, 'the response has no text');
  }
  let whole: PairIds;
  try {
    whole =
      source.form === 'conversation'
        ? encodeConversation(source.value, tokenizer)
        : encodeText(source.value, tokenizer);
  } catch (error) {
    if (error instanceof OverLongText) return drop('text-over-long', error.message);
    if (!(error instanceof TemplateRefusal)) throw error;
    return drop('unreadable', `the chat template refuses it: ${error.message}`);
  }
  const pair = splitByIds(whole);
  for (const side of ['chosen', 'rejected'] as const) {
    if (pair[side].length === 0) return drop(`empty-${side}`, 'the response has no token');
  }
  if (sameIds(pair.chosen, pair.rejected)) return drop('identical', 'both responses have the same tokens');
  if (pair.prompt.length === 0) return drop('empty-prompt', 'the prompt has no token');
  const cut = truncatePair(pair, resolved);
  if (cut === undefined) {
    return drop(
      'prompt-over-long',
      `${pair.prompt.length} prompt tokens of at most ${resolved.maxLength} in all`,
    );
  }
  if (sameIds(cut.chosen, cut.rejected)) {
    return drop('identical-after-truncation', `the first ${cut.chosen.length} response tokens are the same`);
  }
  return asTokenizedPair(row.row, cut);
}

type ChosenForm =
  | { form: 'conversation'; value: PreferenceConversation }
  | { form: 'text'; value: PreferenceText }
  | { form: 'none'; problem: string };

/** A conversation where the tokenizer has a chat template and the layout gives one; else the text. */
function chooseForm(row: PreferenceRow, tokenizer: PairTokenizer): ChosenForm {
  if (tokenizer.hasChatTemplate) {
    if (row.conversation !== undefined) return { form: 'conversation', value: row.conversation };
    if (row.conversationProblem !== undefined) return { form: 'none', problem: row.conversationProblem };
  }
  if (row.text !== undefined) return { form: 'text', value: row.text };
  return {
    form: 'none',
    problem: 'its roles have no plain-text form, and the tokenizer has no chat template',
  };
}

function isBlank(response: PreferenceConversation['chosen'] | string): boolean {
  const texts = typeof response === 'string' ? [response] : response.map((message) => message.content);
  return texts.every((text) => text.trim() === '');
}

/** A whole sequence too long to be tokenised; the message says how long. */
class OverLongText extends Error {
  override readonly name = 'OverLongText';
}

/** @throws OverLongText */
function encodeBounded(text: string, tokenizer: PairTokenizer, addSpecialTokens: boolean): number[] {
  if (text.length > MAX_TEXT_LENGTH) {
    throw new OverLongText(`a text of ${text.length} characters, at most ${MAX_TEXT_LENGTH} are tokenised`);
  }
  return tokenizer.encode(text, { addSpecialTokens });
}

function encodeText({ prompt, chosen, rejected }: PreferenceText, tokenizer: PairTokenizer): PairIds {
  const withEnd = (text: string): number[] => {
    const ids = encodeBounded(text, tokenizer, true);
    if (ids.at(-1) !== tokenizer.eosTokenId) ids.push(tokenizer.eosTokenId);
    return ids;
  };
  return {
    prompt: encodeBounded(prompt, tokenizer, true),
    chosen: withEnd(prompt + chosen),
    rejected: withEnd(prompt + rejected),
  };
}

/** The template writes the special tokens itself, so none are added. */
function encodeConversation(conversation: PreferenceConversation, tokenizer: PairTokenizer): PairIds {
  const { prompt, chosen, rejected } = conversation;
  const encode = (text: string): number[] => encodeBounded(text, tokenizer, false);
  return {
    prompt: encode(tokenizer.renderChat(prompt, { addGenerationPrompt: true })),
    chosen: encode(tokenizer.renderChat([...prompt, ...chosen])),
    rejected: encode(tokenizer.renderChat([...prompt, ...rejected])),
  };
}

/** @param whole the prompt's own ids, and the ids of prompt + chosen and prompt + rejected. */
function splitByIds(whole: PairIds): PairIds {
  const boundary = Math.min(
    commonPrefix(whole.prompt, whole.chosen),
    commonPrefix(whole.prompt, whole.rejected),
  );
  return {
    prompt: whole.chosen.slice(0, boundary),
    chosen: whole.chosen.slice(boundary),
    rejected: whole.rejected.slice(boundary),
  };
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const shorter = Math.min(a.length, b.length);
  let i = 0;
  while (i < shorter && a[i] === b[i]) i++;
  return i;
}

function sameIds(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && commonPrefix(a, b) === a.length;
}

/** A pair with the identifier that its row and its ids give. */
export function asTokenizedPair(sourceRow: number, pair: PairIds): TokenizedPair {
  const promptIds = Int32Array.from(pair.prompt);
  const chosenIds = Int32Array.from(pair.chosen);
  const rejectedIds = Int32Array.from(pair.rejected);
  const hash = createHash('sha256');
  for (const ids of [promptIds, chosenIds, rejectedIds]) {
    hash.update(`${ids.length}:`).update(littleEndianBytes(ids));
  }
  const pairId = `${sourceRow}-${hash.digest('hex').slice(0, 16)}`;
  return { pairId, sourceRow, promptIds, chosenIds, rejectedIds };
}

function littleEndianBytes(ids: Int32Array): Buffer {
  const bytes = Buffer.alloc(ids.length * 4);
  ids.forEach((id, i) => bytes.writeInt32LE(id, i * 4));
  return bytes;
}
