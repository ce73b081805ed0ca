/** Conversations as lists of messages: reading them from a row, and finding the prompt both sides share. */
import { quoteValue } from '@selective-dpo/foundation';
import type { Message, PreferenceConversation } from './preference-row.js';
import { describeMissing, isRecord, ownField, textField, UnreadableRow } from './own-field.js';

/** The keys under which a layout keeps role and content, and its names for the roles. */
export interface MessageKeys {
  role: string;
  content: string;
  /** Role names of the layout; undefined means they are already the field's own and any name passes. */
  roles?: ReadonlyMap<string, string>;
}

export const CHAT_KEYS: MessageKeys = { role: 'role', content: 'content' };

/** One message. @throws UnreadableRow for missing, null or wrong-typed parts and unknown roles. */
export function readMessage(value: unknown, place: string, keys: MessageKeys): Message {
  if (!isRecord(value)) throw new UnreadableRow(`${place} ${describeMissing(value, 'a message')}`);
  const name = textField(value, keys.role, `${place}.${keys.role}`);
  const role = keys.roles === undefined ? name : keys.roles.get(name);
  if (role === undefined || role === '') {
    throw new UnreadableRow(`${place}.${keys.role} is ${quoteValue(name)}, which names no role`);
  }
  return { role, content: textField(value, keys.content, `${place}.${keys.content}`) };
}

/** A list of messages. @throws UnreadableRow as {@link readMessage}, and if the value is no list. */
export function readMessages(value: unknown, place: string, keys: MessageKeys): Message[] {
  if (!Array.isArray(value))
    throw new UnreadableRow(`${place} ${describeMissing(value, 'a list of messages')}`);
  return value.map((item: unknown, i) => readMessage(item, `${place}[${i}]`, keys));
}

function sameMessage(a: Message | undefined, b: Message | undefined): boolean {
  return a !== undefined && b !== undefined && a.role === b.role && a.content === b.content;
}

/**
 * Splits two whole conversations after their common leading messages; the last message of the shorter one is
 * always a response, so equal conversations still split. Rule: TRL's `extract_prompt`.
 * @throws UnreadableRow if nothing is shared or a side is empty.
 */
export function extractPromptMessages(chosen: Message[], rejected: Message[]): PreferenceConversation {
  const longest = Math.min(chosen.length, rejected.length) - 1;
  let shared = 0;
  while (shared < longest && sameMessage(chosen[shared], rejected[shared])) shared++;
  if (shared <= 0) throw new UnreadableRow('chosen and rejected share no leading message: no common prompt');
  return {
    prompt: chosen.slice(0, shared),
    chosen: chosen.slice(shared),
    rejected: rejected.slice(shared),
  };
}

/** Whether `whole` begins with all messages of `prompt` and goes on after them. */
export function beginsWithMessages(whole: readonly Message[], prompt: readonly Message[]): boolean {
  return whole.length > prompt.length && prompt.every((message, i) => sameMessage(message, whole[i]));
}

/**
 * Checks the order of roles: the prompt does not end with the assistant, each response begins and ends with it.
 * @throws UnreadableRow naming the turn that is out of place.
 */
export function checkRoles(conversation: PreferenceConversation): PreferenceConversation {
  const last = conversation.prompt.at(-1)?.role;
  if (last === undefined) throw new UnreadableRow('the prompt has no message');
  if (last === 'assistant') throw new UnreadableRow('the prompt ends with a turn of the assistant');
  for (const side of ['chosen', 'rejected'] as const) {
    const turns = conversation[side];
    if (turns.length === 0) throw new UnreadableRow(`${side} has no message`);
    for (const turn of [turns[0], turns.at(-1)]) {
      if (turn?.role !== 'assistant') {
        throw new UnreadableRow(
          `${side} begins or ends with a turn of ${quoteValue(turn?.role)}, not of the assistant`,
        );
      }
    }
  }
  return conversation;
}

/** The system turn a text field holds: none where it is missing, null or empty. */
export function optionalSystem(record: Record<string, unknown>, name: string): Message[] {
  const value = ownField(record, name) ?? null;
  if (value === null || value === '') return [];
  return [{ role: 'system', content: textField(record, name) }];
}
