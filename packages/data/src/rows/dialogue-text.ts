/**
 * Dialogues as plain text in the manner of hh-rlhf: turns opened by "\n\nHuman:" and "\n\nAssistant:". Used to
 * read that dataset, and as the built-in rendering of conversations for a tokenizer without a chat template.
 * Format: the data files of Anthropic's hh-rlhf (arXiv 2204.05862).
 */
import type { Message, PreferenceConversation, PreferenceText } from './preference-row.js';
import { UnreadableRow } from './own-field.js';

/** Names the rendering in fingerprints: change it whenever the rendered text changes. */
export const BUILT_IN_RENDERING = 'built-in:human-assistant-1';

export const HUMAN_MARK = '\n\nHuman:';
export const ASSISTANT_MARK = '\n\nAssistant:';

/**
 * Renders turns: system text first and bare, then "\n\nHuman: …" and "\n\nAssistant: …".
 * @throws UnreadableRow for any other role: this rendering has no words for it.
 */
export function renderDialogue(messages: readonly Message[]): string {
  return messages.map((message, index) => renderTurn(message, index)).join('');
}

function renderTurn({ role, content }: Message, index: number): string {
  if (role === 'user') return `${HUMAN_MARK} ${content}`;
  if (role === 'assistant') return `${ASSISTANT_MARK} ${content}`;
  if (role === 'system') return index === 0 ? content : `\n\n${content}`;
  throw new UnreadableRow(`the plain-text rendering has no form for the role "${role}"`);
}

/** Turns as {@link renderDialogue} writes them, then the mark that opens the answer. @throws UnreadableRow likewise. */
export function renderOpenDialogue(messages: readonly Message[]): string {
  return renderDialogue(messages) + ASSISTANT_MARK;
}

/**
 * Both whole dialogues as text, split after the "\n\nAssistant:" that opens the response: the prompt ends in that
 * mark, each response begins with the space after it. Responses must begin with an assistant turn.
 * @throws UnreadableRow for roles without a plain-text form.
 */
export function renderPreference(conversation: PreferenceConversation): PreferenceText {
  const respond = (messages: readonly Message[]): string =>
    renderDialogue(messages).slice(ASSISTANT_MARK.length);
  return {
    prompt: renderOpenDialogue(conversation.prompt),
    chosen: respond(conversation.chosen),
    rejected: respond(conversation.rejected),
  };
}

/**
 * Reads the turns of a dialogue text. Text before the first mark becomes a system turn; contents are trimmed.
 * A mark inside a turn's own words cannot be told from a real one.
 */
export function parseDialogue(text: string): Message[] {
  const messages: Message[] = [];
  const marks = [...text.matchAll(/\n\n(Human|Assistant):/g)];
  const head = text.slice(0, marks[0]?.index ?? text.length).trim();
  if (head !== '') messages.push({ role: 'system', content: head });
  marks.forEach((mark, i) => {
    const content = text.slice(mark.index + mark[0].length, marks[i + 1]?.index ?? text.length).trim();
    messages.push({ role: mark[1] === 'Human' ? 'user' : 'assistant', content });
  });
  return messages;
}

/** Number of leading UTF-16 units that two texts share. */
export function sharedLength(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  let length = 0;
  while (length < shorter && a[length] === b[length]) length++;
  return length;
}
