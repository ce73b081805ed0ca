/** Prompts as token ids: a conversation that awaits its answer, or a text that goes on. */
import { InputError, InputErrors } from '@selective-dpo/foundation';
import { conversationIds, textPromptIds, type Message, type PairTokenizer } from '@selective-dpo/data';

/** What a model is to go on from. */
export type Prompt = { text: string } | { messages: readonly Message[] };

export interface EncodedPrompt {
  /** At least one. */
  ids: Int32Array;
  /** An answer's text stands for itself; a continuation's begins with the space between it and the prompt. */
  kind: 'answer' | 'continuation';
}

/** Problems that are reported; more tell nothing new. */
const MAX_PROBLEMS = 100;

/** @throws InputError `conversation-unreadable`, `text-too-long`. */
export function encodePrompt(tokenizer: PairTokenizer, prompt: Prompt): EncodedPrompt {
  return 'messages' in prompt
    ? { ids: Int32Array.from(conversationIds(tokenizer, prompt.messages)), kind: 'answer' }
    : { ids: Int32Array.from(textPromptIds(tokenizer, prompt.text)), kind: 'continuation' };
}

/**
 * All prompts of a list.
 * @param most tokens of a prompt.
 * @throws InputErrors (a single one as InputError) naming every row that cannot be written as text, has no token, or is too long.
 */
export function encodePrompts(
  tokenizer: PairTokenizer,
  prompts: readonly Prompt[],
  most: number,
): EncodedPrompt[] {
  const problems: InputError[] = [];
  const encoded = prompts.flatMap((prompt, row) => {
    try {
      const one = encodePrompt(tokenizer, prompt);
      refuseLength(one.ids.length, most);
      return [one];
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(new InputError(error.code, error.message, { ...error.details, row }));
      return [];
    }
  });
  if (problems.length === 1) throw problems[0]!;
  if (problems.length > 0) throw new InputErrors(problems.slice(0, MAX_PROBLEMS));
  return encoded;
}

/** @throws InputError `prompt-too-long`, `empty-prompt`. */
export function refuseLength(length: number, most: number): void {
  if (length > most) {
    throw new InputError('prompt-too-long', 'the prompt fills the context of the model', {
      found: `${length} tokens`,
      expected: `at most ${most}`,
      hint: 'shorten it',
    });
  }
  if (length === 0) {
    throw new InputError('empty-prompt', 'the prompt has no token', { expected: 'at least one' });
  }
}
