/** Text of given tokens, and where in it each token begins. */
import type { PairTokenizer } from '@selective-dpo/data';
import { TextStream } from '@selective-dpo/generation';

/**
 * @param before tokens that the text goes on from.
 * @returns the text, and for each token the characters before it; a token that is no whole character begins where the character does.
 */
export function textWithOffsets(
  tokenizer: PairTokenizer,
  before: readonly number[],
  ids: Iterable<number>,
): { text: string; offsets: number[] } {
  const stream = new TextStream(tokenizer, before);
  let text = '';
  const offsets = Array.from(ids, (id) => {
    const offset = text.length;
    text += stream.push(id);
    return offset;
  });
  return { text: text + stream.flush(), offsets };
}
