import { describe, expect, it } from 'vitest';
import { renderAnswerTokens, type ShownToken } from '../../src/demo/coloured-pair.js';
import { percent, renderTable } from '../../src/demo/result-table.js';

/** `two|teas*`: the second token, with the space before it, is selected. */
function tokensOf(text: string): ShownToken[] {
  return text.split('|').map((part) => ({ text: part.replace('*', ''), selected: part.endsWith('*') }));
}

const plain = { colour: false, width: 80 };
const ESCAPE = '\u001b[';

describe('renderAnswerTokens', () => {
  it('puts selected tokens in brackets, neighbours in one pair, the space before them outside', () => {
    const tokens = tokensOf('Gladly*|,*| two| teas*| and*| one| scone*|.');
    expect(renderAnswerTokens(tokens, 'chosen', plain)).toEqual(['[Gladly,] two [teas and] one [scone].']);
  });

  it('leaves a text without selected tokens as it is', () => {
    expect(renderAnswerTokens(tokensOf('Two| teas|.'), 'chosen', plain)).toEqual(['Two teas.']);
    expect(renderAnswerTokens([], 'chosen', plain)).toEqual([]);
  });

  it('colours chosen and rejected differently, dims the rest, and ends every colour', () => {
    const tokens = tokensOf('Two| teas*|.');
    const [chosen, rejected] = (['chosen', 'rejected'] as const).map(
      (side) => renderAnswerTokens(tokens, side, { colour: true, width: 80 })[0]!,
    );
    expect(chosen).toBe(`${ESCAPE}2mTwo${ESCAPE}0m ${ESCAPE}1;30;42mteas${ESCAPE}0m${ESCAPE}2m.${ESCAPE}0m`);
    expect(rejected).toBe(chosen!.replace('1;30;42', '1;37;41'));
    expect(renderAnswerTokens(tokens, 'chosen', plain)[0]).not.toContain(ESCAPE);
  });

  it('breaks lines before tokens that start with a space, within the width, and indents all of them', () => {
    const tokens = tokensOf(
      Array.from({ length: 30 }, (_, i) => ` word${i}${i % 3 === 0 ? '*' : ''}|,`).join('|'),
    );
    const lines = renderAnswerTokens(tokens, 'rejected', { colour: false, width: 40 }, 4);
    expect(lines.length).toBeGreaterThan(5);
    for (const line of lines) {
      expect(line.length).toBeLessThanOrEqual(40);
      expect(line).toMatch(/^ {4}[[w]/);
    }
    const read = lines.map((line) => line.trim()).join(' ');
    expect(read.replace(/[[\]]/g, '')).toBe(
      tokens
        .map(({ text }) => text)
        .join('')
        .trim(),
    );
    expect(read.match(/\[/g)).toHaveLength(10);
  });
});

describe('renderTable', () => {
  it('sets labels to the left and figures to the right under a ruled header', () => {
    expect(
      renderTable([
        ['', 'before', 'after'],
        ['accuracy', percent(0.5), percent(1)],
        ['wins', '', '7'],
      ]),
    ).toEqual([
      '             before    after',
      '  --------------------------',
      '  accuracy    50.0%   100.0%',
      '  wins                     7',
    ]);
  });
});
