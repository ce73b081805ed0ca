/**
 * Text from tokens as they come. A token need not be a whole character, and what it reads as depends on the token before it
 * (SentencePiece's spaces), so a token is decoded behind the last piece that was given out, and held until it is whole.
 */
import type { PairTokenizer } from '@selective-dpo/data';

/** Tokens of a prompt that what follows it is read behind. */
export const CONTEXT_OF_TEXT = 8;

/** Ends of incomplete characters read as this. */
const REPLACEMENT = '\uFFFD';

/** Tokens that are held at most: a character has four bytes, so longer runs never become whole. */
const MAX_HELD = 16;

export class TextStream {
  private window: number[];
  /** Text of the window up to `read`, which was given out. */
  private given: string;
  private read: number;

  /** @param before what the text goes on from: the last tokens of a prompt; empty for an answer that stands for itself. */
  constructor(
    private readonly tokenizer: Pick<PairTokenizer, 'decode'>,
    before: readonly number[] = [],
  ) {
    this.window = [...before];
    this.read = before.length;
    this.given = this.textOf(this.window);
  }

  /** The text that is whole with this token; '' while it is not. */
  push(id: number): string {
    this.window.push(id);
    const text = this.textOf(this.window);
    const held = this.window.length - this.read;
    const whole = !text.endsWith(REPLACEMENT) && text.startsWith(this.given) && text !== this.given;
    return whole || held >= MAX_HELD ? this.giveOut(text) : '';
  }

  /** What is still held, at the end. */
  flush(): string {
    return this.giveOut(this.textOf(this.window));
  }

  private giveOut(text: string): string {
    const piece = text.slice(this.given.length);
    this.window = this.window.slice(this.read);
    this.read = this.window.length;
    this.given = this.textOf(this.window);
    return piece;
  }

  private textOf(ids: readonly number[]): string {
    return this.tokenizer.decode(ids, { skipSpecialTokens: true });
  }
}
