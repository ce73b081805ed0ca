/** Ends a text where one of several texts begins, also where it comes in pieces: what may become one is held back. */

export class StopStrings {
  private held = '';

  /** @param stops none of them empty. */
  constructor(private readonly stops: readonly string[]) {}

  /** Takes the next piece. Returns the text that is safe to give out, and whether a stop string has come: then nothing follows. */
  push(piece: string): { text: string; stopped: boolean } {
    const text = this.held + piece;
    const found = this.stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) {
      this.held = '';
      return { text: text.slice(0, Math.min(...found)), stopped: true };
    }
    const keep = Math.max(0, ...this.stops.map((stop) => overlap(text, stop)));
    this.held = text.slice(text.length - keep);
    return { text: text.slice(0, text.length - keep), stopped: false };
  }

  /** What was held back, at the end. */
  flush(): string {
    const text = this.held;
    this.held = '';
    return text;
  }
}

/** Length of the longest end of a text that is a beginning of `stop`, and not the whole of it. */
function overlap(text: string, stop: string): number {
  let length = Math.min(text.length, stop.length - 1);
  while (length > 0 && !text.endsWith(stop.slice(0, length))) length--;
  return length;
}
