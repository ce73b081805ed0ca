/** The end of a prompt in short, for a table: chat templates begin all prompts alike. */
import type { PairTokenizer } from '@selective-dpo/data';
import type { Vocabulary } from '../site-contract.js';

/** Characters (UTF-16), at most. */
const LENGTH = 160;
/** Tokens that are read, at most: a token may be a single space. */
const TOKENS = 256;

export class PromptEnds {
  private readonly special: ReadonlySet<number>;

  constructor(
    private readonly tokenizer: PairTokenizer,
    private readonly vocabulary: Vocabulary,
  ) {
    this.special = new Set(vocabulary.special);
  }

  /** At most {@link LENGTH} characters of the end of a prompt, without special tokens, each run of white space one space. */
  of(promptIds: Int32Array): string {
    const ids: number[] = [];
    let text = '';
    for (let t = promptIds.length - 1; t >= 0 && ids.length < TOKENS && text.length < 2 * LENGTH; t--) {
      const id = promptIds[t]!;
      if (this.special.has(id)) continue;
      ids.push(id);
      text = (this.vocabulary.texts[id] ?? '').slice(-2 * LENGTH) + text;
    }
    // Texts of single tokens are quick to join, but characters of several tokens have to be decoded.
    if (text.includes('\uFFFD')) text = this.tokenizer.decode(ids.reverse());
    const end = text.replace(/\s+/gu, ' ').trim().slice(-LENGTH);
    // The cut may have left half of a surrogate pair.
    return /^[\uDC00-\uDFFF]/.test(end) ? end.slice(1) : end;
  }
}
