/** The text of one answer while its tokens come: whole characters, up to a stop string. */
import type { PairTokenizer } from '@selective-dpo/data';
import { StopStrings } from './stop-strings.js';
import { TextStream } from './text-stream.js';

export class AnswerText {
  /** What was given out so far. */
  text = '';
  private readonly stream: TextStream;
  private readonly stops: StopStrings;

  constructor(
    tokenizer: Pick<PairTokenizer, 'decode'>,
    before: readonly number[],
    stops: readonly string[],
    private readonly onPiece: (piece: string) => void,
  ) {
    this.stream = new TextStream(tokenizer, before);
    this.stops = new StopStrings(stops);
  }

  /** Takes a token in. Returns whether a stop string has come. */
  push(id: number): boolean {
    return this.take(this.stream.push(id));
  }

  /** Gives out what was held. Returns whether a stop string was in it. */
  end(): boolean {
    const stopped = this.take(this.stream.flush());
    this.give(this.stops.flush());
    return stopped;
  }

  private take(piece: string): boolean {
    if (piece === '') return false;
    const { text, stopped } = this.stops.push(piece);
    this.give(text);
    return stopped;
  }

  private give(piece: string): void {
    if (piece === '') return;
    this.text += piece;
    this.onPiece(piece);
  }
}
