/** Token ids of what a model is to go on from: a conversation that awaits its answer, or a plain text. */
import { InputError, quoteValue } from '@selective-dpo/foundation';
import { renderOpenDialogue } from '../rows/dialogue-text.js';
import { UnreadableRow } from '../rows/own-field.js';
import { MAX_TEXT_LENGTH, type Message } from '../rows/preference-row.js';
import { TemplateRefusal } from './chat-template.js';
import type { PairTokenizer } from './pair-tokenizer.js';

/**
 * Ids of a conversation and of what opens the assistant's turn, the same as training on it gives: by the chat template, or
 * where there is none as "\n\nHuman: … \n\nAssistant:". At least one message.
 * @throws InputError `conversation-unreadable` for messages that the template or the rendering refuses, `text-too-long`,
 *   `chat-template-runaway`.
 */
export function conversationIds(tokenizer: PairTokenizer, messages: readonly Message[]): number[] {
  try {
    if (messages.length === 0) throw new UnreadableRow('the conversation has no message');
    if (!tokenizer.hasChatTemplate) return textPromptIds(tokenizer, renderOpenDialogue(messages));
    const text = tokenizer.renderChat(messages, { addGenerationPrompt: true });
    return tokenizer.encode(bounded(text), { addSpecialTokens: false });
  } catch (error) {
    if (!(error instanceof TemplateRefusal || error instanceof UnreadableRow)) throw error;
    throw new InputError('conversation-unreadable', 'the conversation cannot be written as text', {
      found: error.message,
      expected: 'messages in the order and roles that the chat template has words for',
    });
  }
}

/**
 * Ids of a text with what the tokenizer puts before it (BOS), and without the EOS that some put behind it.
 * @throws InputError `text-too-long`.
 */
export function textPromptIds(tokenizer: PairTokenizer, text: string): number[] {
  const bare = tokenizer.encode(bounded(text), { addSpecialTokens: false });
  const whole = tokenizer.encode(text);
  const behind = whole.at(-1) === tokenizer.eosTokenId && bare.at(-1) !== tokenizer.eosTokenId;
  return behind && whole.length > 1 ? whole.slice(0, -1) : whole;
}

function bounded(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH) return text;
  throw new InputError('text-too-long', 'the prompt is longer than a text may be', {
    found: `${text.length} characters, ${quoteValue(text.slice(0, 40))}`,
    expected: `at most ${MAX_TEXT_LENGTH} characters`,
  });
}
