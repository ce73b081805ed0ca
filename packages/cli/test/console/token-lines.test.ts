import { describe, expect, it } from 'vitest';
import { shownText, tokenLines, type TintedToken } from '../../src/console/token-lines.js';

const token = (text: string, kept = false, tint?: number): TintedToken => ({ text, kept, tint });

describe('tokens on a terminal', () => {
  it('stand as they are, kept ones in brackets where there is no colour', () => {
    const tokens = [token('You'), token(' may'), token(' be', true), token('!', true)];
    expect(tokenLines(tokens, false, 80)).toEqual(['You may [be][!]']);
  });

  it('are bold and underlined where there is colour, the space before them not', () => {
    const [line] = tokenLines([token(' be', true, 1), token(' it', false, -1), token(' so')], true, 80);
    expect(line).toBe(' \u001b[1;4;38;5;202mbe\u001b[0m \u001b[38;5;27mit\u001b[0m so');
  });

  it('are broken at their own line breaks, which are shown, and before a word at the end of a line', () => {
    expect(tokenLines([token('a\n\nb'), token('\n', true)], false, 80)).toEqual(['a↵', '↵', 'b[↵]']);
    const words = Array.from({ length: 5 }, () => token(' word'));
    expect(tokenLines(words, false, 20)).toEqual([' word word word word', ' word']);
  });

  it('cannot talk to the terminal, nor turn its direction', () => {
    const hostile = '\u001b]0;owned\u0007\u001b[2J\r\u009b31m\u202etxt\u2066\u0000';
    const shown = shownText(hostile);
    // eslint-disable-next-line no-control-regex
    expect(shown).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    expect(shown).toContain('␛]0;owned␇');
    expect(tokenLines([token(hostile, true)], false, 80).join('')).toContain('[␛]0;owned');
    // Negative control: what is no control character stays.
    expect(shownText('é 😀 עברית')).toBe('é 😀 עברית');
  });
});
