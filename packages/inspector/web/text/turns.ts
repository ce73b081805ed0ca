/** A prompt as people write it: turns of a dialogue. */
import type { TokenTexts } from './token-text.js';

export interface Turn {
  /** `Human`, `user`, `system`; undefined where no sign of a turn stands before it. */
  role: string | undefined;
  text: string;
}

/** Signs that a turn begins: Anthropic's, ChatML's, Llama 3's, and those of Zephyr and Gemma. */
const SIGNS =
  /(?:^|\n\n)(Human|Assistant|System|User):[ \n]?|<\|im_start\|>(\w{1,20})\n|<\|start_header_id\|>(\w{1,20})<\|end_header_id\|>\n*|<\|(user|assistant|system)\|>\n?|<start_of_turn>(\w{1,20})\n/g;
const ENDS = /<\|im_end\|>\n?|<\|eot_id\|>|<end_of_turn>\n?|<\|begin_of_text\|>|<bos>|<s>|<\/s>/g;
/** Turns that are told apart; what follows stays in the last. */
const MAX_TURNS = 400;

/** The turns of a prompt. Its special tokens are read as text here, since some templates mark turns by them. */
export function turnsOf(ids: Iterable<number>, texts: TokenTexts): Turn[] {
  return turnsOfText(texts.joinAll(ids));
}

/** As {@link turnsOf} of a text. */
export function turnsOfText(text: string): Turn[] {
  const turns: Turn[] = [];
  let role: string | undefined;
  let from = 0;
  const close = (to: number) => {
    const body = text.slice(from, to).replace(ENDS, '').trim();
    if (role !== undefined || body !== '') turns.push({ role, text: body });
  };
  for (const match of text.matchAll(SIGNS)) {
    if (turns.length >= MAX_TURNS) break;
    close(match.index);
    role = match.slice(1).find((group) => group !== undefined);
    from = match.index + match[0].length;
  }
  close(text.length);
  return turns;
}
