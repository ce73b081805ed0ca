/** Texts of tokens as a person reads them: nothing in them can hide, run over its neighbours or be taken for markup. */
import type { Vocabulary } from '../../src/site-contract.js';
import { byteCharacters, byteStretches, bytesById, joinedBytes } from './token-bytes.js';

/** Characters of one token that are shown at once. */
export const MAX_SHOWN = 120;

/** A piece of a token's text. */
export type TextPiece =
  | { kind: 'text'; text: string }
  /** A line break: shown as a mark, then as a break. */
  | { kind: 'break' }
  /** A character that is not seen, a special token, or a part of a character, under a name; `hint` explains it. */
  | { kind: 'mark'; text: string; hint?: string };

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

/** What is said of parts of characters. */
const [PART, LOST_PART] = [
  'part of a character: the token holds some of its bytes',
  'part of a character, of bytes that are not known here; or U+FFFD itself',
];

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

/** What is shown of bytes: characters as they are, and `⟨E2 82⟩` for parts of one. */
function shownBytes(bytes: Uint8Array): TokenText {
  const pieces = byteStretches(bytes).map(({ kind, text }): TokenText =>
    kind === 'text' ? shownPieces(text) : { pieces: [{ kind: 'mark', text: `⟨${text}⟩`, hint: PART }] },
  );
  const cut = pieces.some(({ whole }) => whole !== undefined);
  return {
    pieces: pieces.flatMap((one) => one.pieces),
    ...(cut && { whole: new TextDecoder().decode(bytes) }),
  };
}

/** U+FFFD of a token whose bytes are not known: most likely a part of a character. */
function withLostParts(shown: TokenText): TokenText {
  const pieces = shown.pieces.flatMap((piece): readonly TextPiece[] => {
    if (piece.kind !== 'text' || !piece.text.includes('\uFFFD')) return [piece];
    return piece.text
      .split(/(\uFFFD+)/)
      .filter((text) => text !== '')
      .map((text) =>
        text[0] === '\uFFFD' ? { kind: 'mark', text, hint: LOST_PART } : { kind: 'text', text },
      );
  });
  return { ...shown, pieces };
}

/** The text of every token; ids alone where there is no vocabulary. */
export class TokenTexts {
  private readonly special: ReadonlySet<number>;
  private readonly ends: ReadonlySet<number>;
  /** Of tokens that hold parts of characters. */
  private readonly bytes: ReadonlyMap<number, Uint8Array>;

  constructor(private readonly vocabulary: Vocabulary | undefined) {
    this.special = new Set(vocabulary?.special);
    this.ends = new Set(vocabulary?.sentenceEnds);
    this.bytes = bytesById(vocabulary?.bytes);
  }

  /** Whether texts are known. */
  get known(): boolean {
    return this.vocabulary !== undefined;
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
    const bytes = this.bytes.get(id);
    if (bytes !== undefined) return shownBytes(bytes);
    return text === '' ? { pieces: [{ kind: 'mark', text: '∅' }] } : withLostParts(shownPieces(text));
  }

  /** What is shown for tokens in a row: one text a token, but one for those that make up characters together. */
  shownTogether(ids: ArrayLike<number>): TokenText[] {
    const shown: TokenText[] = [];
    for (let t = 0; t < ids.length;) {
      const end = this.endOfBytes(ids, t);
      shown.push(end > t ? shownBytes(this.bytesOf(ids, t, end)) : this.shown(ids[t]!));
      t = Math.max(end, t + 1);
    }
    return shown;
  }

  /** The characters that a token holds parts of, as far as its neighbours hold the rest; '' where it holds none. */
  charactersOf(ids: ArrayLike<number>, token: number): string {
    if (!this.bytes.has(ids[token]!)) return '';
    let from = token;
    while (from > 0 && this.bytes.has(ids[from - 1]!)) from--;
    const [start, own] = [this.bytesOf(ids, from, token).length, this.bytes.get(ids[token]!)!.length];
    const end = start + own;
    return byteCharacters(this.bytesOf(ids, from, this.endOfBytes(ids, token)))
      .filter(
        (one) =>
          one.kind === 'text' && one.from < end && one.to > start && (one.from < start || one.to > end),
      )
      .map(({ text }) => text)
      .join('');
  }

  /** Tokens as one text, special ones left out. */
  join(ids: Iterable<number>): string {
    return this.joined(ids, false);
  }

  /** As {@link join}, with special tokens under their names. */
  joinAll(ids: Iterable<number>): string {
    return this.joined(ids, true);
  }

  private joined(ids: Iterable<number>, special: boolean): string {
    let text = '';
    let parts: Uint8Array[] = [];
    const flush = () => {
      if (parts.length > 0) text += new TextDecoder('utf-8', { ignoreBOM: true }).decode(joinedBytes(parts));
      parts = [];
    };
    for (const id of ids) {
      const bytes = this.bytes.get(id);
      if (bytes !== undefined) {
        parts.push(bytes);
        continue;
      }
      flush();
      if (special || !this.isSpecial(id)) text += this.raw(id) ?? '';
    }
    flush();
    return text;
  }

  /** The text as it is; undefined where none is known. */
  private raw(id: number): string | undefined {
    const text: unknown = this.vocabulary?.texts[id];
    return typeof text === 'string' ? text : undefined;
  }

  /** Place behind the tokens in a row, from `from` on, whose bytes are known; `from` where there is none. */
  private endOfBytes(ids: ArrayLike<number>, from: number): number {
    let end = from;
    while (end < ids.length && this.bytes.has(ids[end]!)) end++;
    return end;
  }

  private bytesOf(ids: ArrayLike<number>, from: number, end: number): Uint8Array {
    return joinedBytes(Array.from({ length: end - from }, (_, i) => this.bytes.get(ids[from + i]!)!));
  }
}
