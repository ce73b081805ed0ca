import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import {
  MAX_SHOWN,
  markOf,
  shownLine,
  shownPassage,
  shownPieces,
  TokenTexts,
} from '../../web/text/token-text.js';
import type { Vocabulary } from '../../src/site-contract.js';
import { byteStretches, bytesById } from '../../web/text/token-bytes.js';

describe('texts of tokens', () => {
  it('shows what cannot be seen as marks, and breaks as breaks', () => {
    expect(shownPieces('a\u0000b\r\nc\u202ed').pieces).toEqual([
      { kind: 'text', text: 'a' },
      { kind: 'mark', text: '␀' },
      { kind: 'text', text: 'b' },
      { kind: 'break' },
      { kind: 'text', text: 'c' },
      { kind: 'mark', text: 'U+202E' },
      { kind: 'text', text: 'd' },
    ]);
    expect(
      ['\t', '\u001b', '\u007f', '\u200b', '\ufeff', '\u2066', '\ud800', '\u{e0041}'].map(markOf),
    ).toEqual(['⇥', '␛', '␡', 'ZWSP', 'BOM', 'U+2066', 'U+D800', 'U+E0041']);
  });

  it('leaves no unseen character of the whole plane in what is shown', () => {
    const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|\p{Surrogate}/u;
    let seen = 0;
    for (let code = 0; code <= 0xffff; code++) {
      const character = String.fromCharCode(code);
      if (!unseen.test(character) || character === '\n') continue;
      seen++;
      const shown = shownLine(`x${character}y`, 100);
      // Arabic number signs are of category Cf and have a glyph.
      if (/[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2]/.test(character)) continue;
      expect(unseen.test(shown), code.toString(16)).toBe(false);
    }
    expect(seen).toBeGreaterThan(2000);
    expect(unseen.test('x\u202ey')).toBe(true);
  });

  it('keeps emoji and right-to-left letters as they are', () => {
    expect(shownPieces('🙂 שלום é').pieces).toEqual([{ kind: 'text', text: '🙂 שלום é' }]);
  });

  it('shortens long texts, never inside a character, and says so', () => {
    const long = '🙂'.repeat(50_000);
    const { pieces, whole } = shownPieces(`x${long}`);
    const [piece] = pieces as unknown as [{ text: string }];
    expect(piece.text.length).toBeLessThanOrEqual(MAX_SHOWN);
    expect(piece.text.at(-1)).toBe('\ude42');
    expect(whole).toBe(`x${long}`);
    expect(shownPieces('x'.repeat(MAX_SHOWN)).whole).toBeUndefined();
  });

  it('writes a passage as one line', () => {
    expect(shownPassage('\n\n a\n \n\nb \n', 100)).toBe('a ↵ b');
  });

  it('shows ids where no text is known, and special tokens as marks', () => {
    const texts = new TokenTexts({ texts: ['a', '</s>', ''], special: [1], sentenceEnds: [0] });
    expect(texts.shown(0).pieces).toEqual([{ kind: 'text', text: 'a' }]);
    expect(texts.shown(1).pieces).toEqual([{ kind: 'mark', text: '</s>' }]);
    expect(texts.shown(2).pieces).toEqual([{ kind: 'mark', text: '∅' }]);
    expect(texts.shown(77).pieces).toEqual([{ kind: 'mark', text: '#77' }]);
    expect(texts.join([0, 1, 0])).toBe('aa');
    expect([texts.endsSentence(0), texts.endsSentence(1)]).toEqual([true, false]);
  });
});

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** A vocabulary of tokens with these bytes; texts as a tokenizer gives them one by one. */
function vocabularyOfBytes(tokens: readonly Uint8Array[], known = true): Vocabulary {
  const texts = tokens.map((bytes) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
  const partial = tokens.flatMap((bytes, id) =>
    Buffer.from(texts[id]!).equals(bytes) ? [] : [[String(id), hexOf(bytes)] as const],
  );
  return { texts, special: [], sentenceEnds: [], ...(known && { bytes: Object.fromEntries(partial) }) };
}

describe('tokens of parts of characters', () => {
  const euro = [Uint8Array.of(0x20, 0xe2, 0x82), Uint8Array.of(0xac, 0x21), Uint8Array.of(0x61)];
  const texts = new TokenTexts(vocabularyOfBytes(euro));

  it('are shown by their bytes, and whole characters in them as they are', () => {
    expect(texts.shown(0).pieces).toEqual([
      { kind: 'text', text: ' ' },
      { kind: 'mark', text: '⟨E2 82⟩', hint: expect.stringContaining('part of a character') as string },
    ]);
    expect(texts.shown(1).pieces.map((piece) => (piece.kind === 'break' ? '' : piece.text))).toEqual([
      '⟨AC⟩',
      '!',
    ]);
    expect(texts.shown(2).pieces).toEqual([{ kind: 'text', text: 'a' }]);
  });

  it('are joined where they follow each other', () => {
    expect(texts.join([2, 0, 1, 2])).toBe('a €!a');
    expect(texts.join([0, 2, 1])).toBe(' \uFFFDa\uFFFD!');
    expect(texts.shownTogether([2, 0, 1]).map(({ pieces }) => pieces)).toEqual([
      [{ kind: 'text', text: 'a' }],
      [{ kind: 'text', text: ' €!' }],
    ]);
    expect([0, 1, 2].map((token) => texts.charactersOf([0, 1, 2], token))).toEqual(['€', '€', '']);
    expect(texts.charactersOf([0, 2, 1], 0)).toBe('');
    const special = new TokenTexts({ ...vocabularyOfBytes(euro), special: [2] });
    expect([special.join([0, 2, 1]), special.joinAll([0, 1, 2])]).toEqual([' \uFFFD\uFFFD!', ' €!a']);
  });

  it('read as the text they were cut from, wherever the cuts are', () => {
    const random = new SeededRandom(5);
    const letters = ['a', 'é', '€', '🙂', ' ', '\n', '\uFFFD', '\uFEFF', 'ש'];
    let parts = 0;
    for (let trial = 0; trial < 200; trial++) {
      const text = Array.from(
        { length: 1 + random.below(12) },
        () => letters[random.below(letters.length)]!,
      ).join('');
      const bytes = new TextEncoder().encode(text);
      const tokens: Uint8Array[] = [];
      for (let at = 0; at < bytes.length;) {
        const next = Math.min(bytes.length, at + 1 + random.below(4));
        tokens.push(bytes.slice(at, next));
        at = next;
      }
      const vocabulary = vocabularyOfBytes(tokens);
      parts += Object.keys(vocabulary.bytes!).length;
      const ids = tokens.map((_, id) => id);
      expect(new TokenTexts(vocabulary).join(ids)).toBe(text);
      expect(
        byteStretches(bytes)
          .map((one) => one.text)
          .join(''),
      ).toBe(text);
    }
    expect(parts).toBeGreaterThan(200);
    // Control: without their bytes they cannot be joined.
    const lost = new TokenTexts(vocabularyOfBytes(euro, false));
    expect(lost.join([0, 1])).toBe(' \uFFFD\uFFFD!');
    expect(lost.shown(1).pieces).toEqual([
      { kind: 'mark', text: '\uFFFD', hint: expect.stringContaining('not known') as string },
      { kind: 'text', text: '!' },
    ]);
  });

  it('of a hostile vocabulary are left out', () => {
    const odd: unknown = JSON.parse(
      '{"__proto__":"e2","x":"e2","-1":"e2","0":"e","1":7,"2":"zz","3":"","4":"E282"}',
    );
    expect([...bytesById(odd)]).toEqual([[4, Uint8Array.of(0xe2, 0x82)]]);
    for (const none of [undefined, null, 'e2', 7]) expect(bytesById(none).size).toBe(0);
    // Overlong, surrogates, beyond Unicode, cut off: no characters.
    for (const bytes of [
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf5, 0x80, 0x80, 0x80],
      [0xf0, 0x9f],
    ])
      expect(byteStretches(Uint8Array.from(bytes)).map(({ kind }) => kind)).toEqual(['bytes']);
  });
});
