/**
 * hh-rlhf rows: `{chosen, rejected}`, two whole dialogues as text. The prompt ends with the "\n\nAssistant:" that
 * opens the last turn, or, where the dialogues part earlier, with the last such mark both have.
 */
import type { PreferenceConversation, PreferenceRow, PreferenceText } from './preference-row.js';
import { checkRoles } from './conversation.js';
import { ASSISTANT_MARK, HUMAN_MARK, parseDialogue, sharedLength } from './dialogue-text.js';
import { textField, UnreadableRow } from './own-field.js';

/** Whether a text reads as such a dialogue. */
export function isDialogueText(value: unknown): boolean {
  return typeof value === 'string' && value.startsWith(HUMAN_MARK) && value.includes(ASSISTANT_MARK);
}

/** @throws UnreadableRow if a field is no text or no mark is shared. */
export function readHhRlhfLayout(record: Record<string, unknown>, row: number): PreferenceRow {
  const text = splitDialogues(textField(record, 'chosen'), textField(record, 'rejected'));
  try {
    return { row, conversation: checkRoles(parsePreference(text)), text };
  } catch (error) {
    if (error instanceof UnreadableRow) return { row, conversationProblem: error.message, text };
    throw error;
  }
}

/** Splits both dialogues after the last "\n\nAssistant:" they have in common. @throws UnreadableRow if none. */
export function splitDialogues(chosen: string, rejected: string): PreferenceText {
  const shared = chosen.slice(0, sharedLength(chosen, rejected));
  const at = shared.lastIndexOf(ASSISTANT_MARK);
  if (at >= 0) {
    const end = at + ASSISTANT_MARK.length;
    return { prompt: chosen.slice(0, end), chosen: chosen.slice(end), rejected: rejected.slice(end) };
  }
  throw new UnreadableRow('chosen and rejected share no "\\n\\nAssistant:" turn: no common prompt');
}

function parsePreference({ prompt, chosen, rejected }: PreferenceText): PreferenceConversation {
  return {
    prompt: parseDialogue(prompt.slice(0, -ASSISTANT_MARK.length)),
    chosen: parseDialogue(ASSISTANT_MARK + chosen),
    rejected: parseDialogue(ASSISTANT_MARK + rejected),
  };
}
