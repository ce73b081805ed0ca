/** Texts of tokens as a person reads them: nothing in them can hide, run over its neighbours or be taken for markup. */
import type { Vocabulary } from '../../src/site-contract.js';

/** Characters of one token that are shown at once. */
export const MAX_SHOWN = 120;

/** A piece of a token's text. */
export type TextPiece =
  | { kind: 'text'; text: string }
  /** A line break: shown as a mark, then as a break. */
  | { kind: 'break' }
  /** A character that is not seen, or a special token, under a name. */
  | { kind: 'mark'; text: string };

export interface TokenText {
  pieces: readonly TextPiece[];
  /** The whole text where `pieces` are only its beginning. */
  whole?: string;
}

/** C0 and C1 controls, zero widths, marks and overrides of direction, separators of lines, tags, halves of surrogates. */
const UNSEEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/u;
const PIECES = new RegExp(`(\\r?\\n)|(${UNSEEN.source})`, 'gu');

/** Words for characters that are often met. */
const NAMES = new Map([
  ['\t', '⇥'],
  ['\0', '␀'],
  ['\u007f', '␡'],
  ['\u200d', 'ZWJ'],
  ['\u200b', 'ZWSP'],
  ['\ufeff', 'BOM'],
]);

/** The mark of a character that is not seen: `␀`, `⇥`, `U+202E`. */
export function markOf(character: string): string {
  const code = character.codePointAt(0)!;
  const named = NAMES.get(character);
  if (named !== undefined) return named;
  return code < 0x20
    ? String.fromCharCode(0x2400 + code)
    : `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Splits a text into what is shown. @param limit characters of it at most. */
export function shownPieces(text: string, limit = MAX_SHOWN): TokenText {
  const cut = text.length > limit ? text.slice(0, limit).replace(/[\ud800-\udbff]$/, '') : text;
  const pieces: TextPiece[] = [];
  let from = 0;
  const plain = (to: number) => to > from && pieces.push({ kind: 'text', text: cut.slice(from, to) });
  for (const match of cut.matchAll(PIECES)) {
    plain(match.index);
    pieces.push(match[1] !== undefined ? { kind: 'break' } : { kind: 'mark', text: markOf(match[0]) });
    from = match.index + match[0].length;
  }
  plain(cut.length);
  return cut.length < text.length ? { pieces, whole: text } : { pieces };
}

/** A passage as one line: breaks in a row are one, none at its ends. */
export function shownPassage(text: string, limit: number): string {
  return shownLine(text.trim().replace(/\s*\n\s*/g, '\n'), limit);
}

/** One line of plain text: breaks and unseen characters become marks. @param limit characters at most. */
export function shownLine(text: string, limit: number): string {
  const { pieces, whole } = shownPieces(text, limit);
  const line = pieces.map((piece) =>
    piece.kind === 'break' ? ' ↵ ' : piece.kind === 'mark' ? `‹${piece.text}›` : piece.text,
  );
  return line.join('') + (whole === undefined ? '' : '…');
}

/** The text of every token; ids alone where there is no vocabulary. */
export class TokenTexts {
  private readonly special: ReadonlySet<number>;
  private readonly ends: ReadonlySet<number>;

  constructor(private readonly vocabulary: Vocabulary | undefined) {
    this.special = new Set(vocabulary?.special);
    this.ends = new Set(vocabulary?.sentenceEnds);
  }

  /** Whether texts are known. */
  get known(): boolean {
    return this.vocabulary !== undefined;
  }

  /** The text as it is; undefined where none is known. */
  raw(id: number): string | undefined {
    const text: unknown = this.vocabulary?.texts[id];
    return typeof text === 'string' ? text : undefined;
  }

  isSpecial(id: number): boolean {
    return this.special.has(id);
  }

  /** Whether the trainer's rule `span` ends a sentence here. */
  endsSentence = (id: number): boolean => this.ends.has(id);

  /** What is shown for a token. */
  shown(id: number): TokenText {
    const text = this.raw(id);
    if (text === undefined) return { pieces: [{ kind: 'mark', text: `#${id}` }] };
    if (this.isSpecial(id)) return { pieces: [{ kind: 'mark', text: shownLine(text, 40) || `#${id}` }] };
    return text === '' ? { pieces: [{ kind: 'mark', text: '∅' }] } : shownPieces(text);
  }

  /** Tokens as one text, special ones left out. */
  join(ids: Iterable<number>): string {
    let text = '';
    for (const id of ids) if (!this.isSpecial(id)) text += this.raw(id) ?? '';
    return text;
  }
}
