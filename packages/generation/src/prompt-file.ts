/** Files of prompts: JSON Lines, a prompt a line, as text or as a conversation. */
import { z } from 'zod';
import { InputError } from '@selective-dpo/foundation';
import { FileProblems, checkedLines } from '@selective-dpo/data';
import type { Prompt } from './encoded-prompt.js';

/** Longest text, in characters. */
const MAX_TEXT = 1 << 20;
const text = z.string().min(1).max(MAX_TEXT);
const messages = z
  .array(z.object({ role: z.string().min(1).max(100), content: z.string().max(MAX_TEXT) }))
  .min(1);

/** `"text"`, `{"prompt": "text"}`, `{"prompt": [messages]}` or `{"messages": [messages]}`; further keys are left alone. */
const promptSchema = z.union(
  [
    text.transform((value) => ({ text: value })),
    z.looseObject({ prompt: text }).transform(({ prompt }) => ({ text: prompt })),
    z.looseObject({ prompt: messages }).transform(({ prompt }) => ({ messages: prompt })),
    z.looseObject({ messages }).transform((value) => ({ messages: value.messages })),
  ],
  'a text, {"prompt": text or messages}, or {"messages": [{"role", "content"}]}',
);

/**
 * Reads a file of prompts.
 * @throws InputErrors naming every line that is no prompt; InputError `no-prompts`, or the file system's.
 */
export async function readPrompts(file: string): Promise<Prompt[]> {
  const problems = new FileProblems(file);
  const lines = await checkedLines(file, promptSchema, problems);
  problems.refuse();
  if (lines.length === 0) throw new InputError('no-prompts', 'the file holds no prompt', { file });
  return lines.map(({ value }) => value);
}
