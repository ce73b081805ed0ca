/**
 * Alpaca preference rows: `{instruction, input, chosen, rejected}`, optionally `system`; `output` is not used.
 * Prompt text: the Alpaca prompt without its preamble, as rasbt/LLMs-from-scratch prints it for DPO.
 */
import type { Message, PreferenceRow } from './preference-row.js';
import { optionalSystem } from './conversation.js';
import { optionalTextField, ownField, textField, UnreadableRow } from './own-field.js';

/** The prompt text of one instruction; `input` may be empty. */
export function alpacaPrompt(instruction: string, input: string): string {
  const section = input === '' ? '' : `\n\n### Input:\n${input}`;
  return `### Instruction:\n${instruction}${section}\n\n### Response:\n`;
}

/** @throws UnreadableRow for missing or wrong-typed fields, and for rows with a `history`. */
export function readAlpacaLayout(record: Record<string, unknown>, row: number): PreferenceRow {
  const history = ownField(record, 'history') ?? null;
  if (history !== null && !(Array.isArray(history) && history.length === 0)) {
    throw new UnreadableRow('history is not empty: write such rows as conversations of {role, content}');
  }
  const instruction = textField(record, 'instruction');
  const input = optionalTextField(record, 'input');
  const chosen = textField(record, 'chosen');
  const rejected = textField(record, 'rejected');
  const system = optionalSystem(record, 'system');
  const answer = (content: string): Message[] => [{ role: 'assistant', content }];
  return {
    row,
    conversation: {
      prompt: [
        ...system,
        { role: 'user', content: input === '' ? instruction : `${instruction}\n\n${input}` },
      ],
      chosen: answer(chosen),
      rejected: answer(rejected),
    },
    text: {
      prompt: system.map((message) => `${message.content}\n\n`).join('') + alpacaPrompt(instruction, input),
      chosen,
      rejected,
    },
  };
}
