/**
 * One preference, in the forms its layout gives: a conversation (roles and contents, for a chat template) and a
 * plain text (for a tokenizer without one). Names are TRL's: `prompt`, `chosen`, `rejected`.
 */

/** One turn. `role` is `system`, `user`, `assistant` or `tool`. */
export interface Message {
  role: string;
  content: string;
}

/** `prompt + chosen` and `prompt + rejected` are the two whole conversations. */
export interface PreferenceConversation {
  prompt: Message[];
  chosen: Message[];
  rejected: Message[];
}

/** `prompt + chosen` and `prompt + rejected` are the two whole texts. */
export interface PreferenceText {
  prompt: string;
  chosen: string;
  rejected: string;
}

/** At least one of `conversation` and `text` is present. */
export interface PreferenceRow {
  /** 0-based row in the source file. */
  row: number;
  /**
   * Absent where the layout has none (TRL's standard format: its text is trained on as it is), and where the turns
   * of this row make none; `conversationProblem` then says why.
   */
  conversation?: PreferenceConversation;
  conversationProblem?: string;
  text?: PreferenceText;
}

/** Longest text of a row, and longest rendered conversation, in UTF-16 units: 1 MiB. */
export const MAX_TEXT_LENGTH = 1 << 20;

/** Why a row is not trained on. */
export type DropReason =
  /** Missing, null or wrong-typed fields, no common prompt, roles in an order that makes no preference. */
  | 'unreadable'
  /** No prompt token at all: nothing would condition the first response token. */
  | 'empty-prompt'
  /** The preferred response is empty or whitespace only. */
  | 'empty-chosen'
  /** The other response is empty or whitespace only. */
  | 'empty-rejected'
  /** Both responses have the same token ids: no gradient. */
  | 'identical'
  /** Both responses have the same ids once cut to the length limits (METHOD.md, trap 7). */
  | 'identical-after-truncation'
  /** The prompt leaves no room for a response token (METHOD.md, trap 9). */
  | 'prompt-over-long'
  /** A text of more than {@link MAX_TEXT_LENGTH} characters: no model reads as much, and tokenising it takes a heap. */
  | 'text-over-long';

/** A row of the source that gives no pair. */
export interface DroppedRow {
  /** 0-based row in the source file. */
  row: number;
  reason: DropReason;
  /** What was found, for a person. */
  detail: string;
}

/** Tells a dropped row from a preference row or a tokenised pair. */
export function isDroppedRow(row: object): row is DroppedRow {
  return 'reason' in row;
}
