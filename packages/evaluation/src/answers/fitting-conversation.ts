/** A conversation cut at its start until it leaves room for an answer. */
import { InputError } from '@selective-dpo/foundation';
import { conversationIds, type Message, type PairTokenizer } from '@selective-dpo/data';

export interface FittingConversation {
  messages: Message[];
  /** Tokens that were cut off. */
  dropped: number;
}

/**
 * Tokens that a prompt may have: what the model's context has beside the answer, and at least half of the context, so that a
 * small model still sees its question.
 */
export function promptRoom(contextTokens: number, maxNewTokens: number): number {
  return Math.max(1, contextTokens - Math.min(maxNewTokens, Math.floor(contextTokens / 2)));
}

/**
 * Leaves out the oldest exchanges first, then the start of the last user turn, token by token; what the chat template puts around
 * the turns stays whole.
 * @param messages turns of the user and the assistant in turn, the last one of the user.
 * @param room tokens at most.
 * @throws InputError `context-too-short` where not even an empty turn fits.
 */
export function fittingConversation(
  tokenizer: PairTokenizer,
  messages: readonly Message[],
  room: number,
): FittingConversation {
  const tokens = (some: readonly Message[]) => conversationIds(tokenizer, some).length;
  const whole = tokens(messages);
  if (whole <= room) return { messages: [...messages], dropped: 0 };
  let rest = messages;
  while (rest.length > 2) {
    rest = rest.slice(2);
    const left = tokens(rest);
    if (left <= room) return { messages: [...rest], dropped: whole - left };
  }
  const last = rest.at(-1)!;
  const ids = tokenizer.encode(last.content, { addSpecialTokens: false });
  const ending = (count: number): Message[] => [
    { ...last, content: count === 0 ? '' : tokenizer.decode(ids.slice(ids.length - count)) },
  ];
  // The longest ending that fits. Near a cut a text may take a token more or less, so every candidate is measured.
  let [fits, over] = [-1, ids.length];
  while (over - fits > 1) {
    const middle = (fits + over) >> 1;
    if (tokens(ending(middle)) <= room) fits = middle;
    else over = middle;
  }
  if (fits < 0) {
    throw new InputError('context-too-short', 'the model’s context has no room for a question', {
      found: `${tokens(ending(0))} tokens around an empty one`,
      expected: `at most ${room}`,
      hint: 'answer with a model of a longer context',
    });
  }
  const cut = ending(fits);
  return { messages: cut, dropped: whole - tokens(cut) };
}
