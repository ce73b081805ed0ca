/**
 * What Arena-Hard counts in an answer for its control of style: headings, list items and bold words outside of code blocks. The
 * keys are those of its answer files, the counts those of its own patterns.
 */

export interface MarkdownCounts {
  header_count: Record<'h1' | 'h2' | 'h3' | 'h4' | 'h5' | 'h6', number>;
  list_count: { ordered: number; unordered: number };
  bold_count: { '**': number; __: number };
}

export function markdownCounts(answer: string): MarkdownCounts {
  const text = withoutCode(answer);
  const counts: MarkdownCounts = {
    header_count: { h1: 0, h2: 0, h3: 0, h4: 0, h5: 0, h6: 0 },
    list_count: { ordered: 0, unordered: 0 },
    bold_count: { '**': matchesIn(text, /\*\*[^*\n]+\*\*/g), __: matchesIn(text, /__[^_\n]+__/g) },
  };
  // Line by line: a pattern over all lines would take time that grows with the square of blank ones.
  for (const [line = ''] of text.matchAll(/[^\n]*\n?/g)) {
    const level = /^(#{1,6})\s/.exec(line)?.[1]!.length;
    if (level !== undefined) counts.header_count[`h${level as 1 | 2 | 3 | 4 | 5 | 6}`]++;
    counts.list_count.ordered += matchesIn(line, /^\s*\p{Nd}+\.\s/gu);
    counts.list_count.unordered += matchesIn(line, /^\s*[-*+]\s/g);
  }
  return counts;
}

/** What stands inside of code blocks is taken out wherever it stands, as there. */
function withoutCode(answer: string): string {
  let text = answer;
  for (const [, code] of answer.matchAll(/```([^`]*)```/g))
    if (code !== '') text = text.replaceAll(code!, '');
  return text;
}

function matchesIn(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
