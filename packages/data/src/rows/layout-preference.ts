/**
 * TRL's preference format, standard (texts) and conversational (lists of `{role, content}`), with explicit or
 * implicit prompt. Source: TRL documentation, "Dataset formats and types"; the prompt of implicit rows is found
 * by the rule of its `extract_prompt`.
 *
 * Datasets on the hub mix the two: ultrafeedback_binarized has a `prompt` text beside whole conversations, others
 * repeat the prompt's messages in both answers. TRL would render such a prompt twice; here it is taken once.
 */
import type { Message, PreferenceConversation, PreferenceRow, PreferenceText } from './preference-row.js';
import {
  beginsWithMessages,
  CHAT_KEYS,
  checkRoles,
  extractPromptMessages,
  readMessages,
} from './conversation.js';
import { renderPreference, sharedLength } from './dialogue-text.js';
import { describeMissing, ownField, UnreadableRow } from './own-field.js';

/** @throws UnreadableRow if the row holds no usable preference. */
export function readPreferenceLayout(record: Record<string, unknown>, row: number): PreferenceRow {
  const chosen = ownField(record, 'chosen');
  const rejected = ownField(record, 'rejected');
  const prompt = ownField(record, 'prompt');
  if (typeof chosen === 'string' && typeof rejected === 'string') {
    return { row, text: readStandard(prompt, chosen, rejected) };
  }
  if (Array.isArray(chosen) && Array.isArray(rejected)) {
    const conversation = checkRoles(
      readConversational(
        prompt,
        readMessages(chosen, 'chosen', CHAT_KEYS),
        readMessages(rejected, 'rejected', CHAT_KEYS),
      ),
    );
    return withRendering(row, conversation);
  }
  for (const [name, value] of Object.entries({ chosen, rejected })) {
    if (typeof value !== 'string' && !Array.isArray(value)) {
      throw new UnreadableRow(`${name} ${describeMissing(value, 'a text or a list of messages')}`);
    }
  }
  throw new UnreadableRow('chosen and rejected are of different kinds: one text, one list of messages');
}

/** A conversation with its built-in plain text, where its roles have one. */
export function withRendering(row: number, conversation: PreferenceConversation): PreferenceRow {
  try {
    return { row, conversation, text: renderPreference(conversation) };
  } catch (error) {
    if (error instanceof UnreadableRow) return { row, conversation };
    throw error;
  }
}

function readStandard(prompt: unknown, chosen: string, rejected: string): PreferenceText {
  if (prompt === undefined) return extractPromptText(chosen, rejected);
  if (typeof prompt !== 'string') throw new UnreadableRow(`prompt ${describeMissing(prompt, 'a text')}`);
  return { prompt, chosen, rejected };
}

/**
 * Splits two whole texts where they first differ; a space before that place goes to the responses. Texts that do
 * not differ up to the shorter one's end split before their last character. Rule: TRL's `extract_prompt`.
 * @throws UnreadableRow if the texts share no beginning.
 */
export function extractPromptText(chosen: string, rejected: string): PreferenceText {
  const shorter = Math.min(chosen.length, rejected.length);
  let split = sharedLength(chosen, rejected);
  if (split === shorter) split--;
  else if (split > 0 && chosen[split - 1] === ' ') split--;
  // Python counts code points; never part the two halves of a surrogate pair.
  if (split > 0 && isHighSurrogate(chosen.charCodeAt(split - 1))) split--;
  if (split <= 0) throw new UnreadableRow('chosen and rejected share no beginning: no common prompt');
  return { prompt: chosen.slice(0, split), chosen: chosen.slice(split), rejected: rejected.slice(split) };
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function readConversational(prompt: unknown, chosen: Message[], rejected: Message[]): PreferenceConversation {
  if (prompt === undefined || prompt === null) return extractPromptMessages(chosen, rejected);
  if (typeof prompt === 'string') {
    // A text beside conversations: either it repeats their first user turn, or it is all the prompt there is.
    return [chosen, rejected].every((side) => side.every((message) => message.role === 'assistant'))
      ? { prompt: [{ role: 'user', content: prompt }], chosen, rejected }
      : extractPromptMessages(chosen, rejected);
  }
  const messages = readMessages(prompt, 'prompt', CHAT_KEYS);
  if (beginsWithMessages(chosen, messages) && beginsWithMessages(rejected, messages)) {
    return {
      prompt: messages,
      chosen: chosen.slice(messages.length),
      rejected: rejected.slice(messages.length),
    };
  }
  return { prompt: messages, chosen, rejected };
}
