/** Tokens of a response on a terminal: tinted by a figure, kept ones marked in a second way than colour. */

/** A token as a person reads it. */
export interface TintedToken {
  /** Text with the space before it, if it has one. */
  text: string;
  /** In [-1, 1]: how far and on which side of the middle its figure is; undefined for no tint. */
  tint: number | undefined;
  kept: boolean;
}

/** From blue over grey to orange, which colour-blind people tell apart; colours of xterm's palette of 256. */
const TINTS = [27, 33, 75, 110, 145, 180, 215, 208, 202];

/**
 * The lines of a response. Line breaks of the text are shown as `↵` and broken at; other control characters are shown as symbols, so that no
 * text can talk to the terminal. Kept tokens are bold and underlined, or stand in brackets where there is no colour.
 * @param width columns of a line.
 */
export function tokenLines(tokens: readonly TintedToken[], colour: boolean, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  let columns = 0;
  const close = (): void => {
    lines.push(line);
    line = '';
    columns = 0;
  };
  for (const token of tokens) {
    for (const [i, part] of shownText(token.text).split('\n').entries()) {
      if (i > 0) close();
      if (part === '') continue;
      const marked = token.kept && !colour ? bracketed(part) : part;
      if (columns > 0 && columns + marked.length > width && part.startsWith(' ')) close();
      line += colour ? painted(part, token) : marked;
      columns += marked.length;
    }
  }
  if (line !== '') close();
  return lines;
}

// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** Control characters as their pictures (U+2400 …), bidirectional controls as nothing, a line break behind its mark. */
export function shownText(text: string): string {
  return text.replace(CONTROLS, (control) => {
    const code = control.charCodeAt(0);
    if (control === '\n') return '↵\n';
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? '␡' : code < 0xa0 ? '\ufffd' : '';
  });
}

function bracketed(text: string): string {
  const body = text.trimStart();
  return `${text.slice(0, text.length - body.length)}[${body}]`;
}

/** The space before a kept token stays outside its underline. */
function painted(text: string, { tint, kept }: TintedToken): string {
  const body = text.trimStart();
  const space = text.slice(0, text.length - body.length);
  const colour =
    tint === undefined ? [] : [`38;5;${TINTS[Math.round(((tint + 1) / 2) * (TINTS.length - 1))]!}`];
  const codes = [...(kept ? ['1', '4'] : []), ...colour];
  return codes.length === 0 ? text : `${space}\u001b[${codes.join(';')}m${body}\u001b[0m`;
}
