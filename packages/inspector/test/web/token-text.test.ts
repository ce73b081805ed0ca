import { describe, expect, it } from 'vitest';
import {
  MAX_SHOWN,
  markOf,
  shownLine,
  shownPassage,
  shownPieces,
  TokenTexts,
} from '../../web/text/token-text.js';

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
