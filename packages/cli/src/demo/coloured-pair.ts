/** An answer on the terminal with its selected tokens set off: by colour, or by brackets where there is none. */

/** One token as a person reads it. */
export interface ShownToken {
  /** Text with the space before it, if it has one. */
  text: string;
  /** Whether the loss is computed on it. */
  selected: boolean;
}

export type AnswerSide = 'chosen' | 'rejected';

export interface PairStyle {
  colour: boolean;
  /** Columns of a line, at least 20. */
  width: number;
}

/** SGR codes: bold black on green for what is to be learnt, bold white on red for what is to be unlearnt. */
const SELECTED_STYLE: Record<AnswerSide, string> = { chosen: '1;30;42', rejected: '1;37;41' };
const OTHER_STYLE = '2';

/** A piece of text that is not broken over lines. */
interface Run {
  text: string;
  selected: boolean;
}

/**
 * The lines of one answer, indented by `indent` columns. Neighbouring selected tokens stand in one piece; a line is
 * broken before a token that starts with a space.
 */
export function renderAnswerTokens(
  tokens: readonly ShownToken[],
  side: AnswerSide,
  { colour, width }: PairStyle,
  indent = 0,
): string[] {
  const lines: string[] = [];
  let line: Run[] = [];
  let columns = 0;
  const room = Math.max(20, width) - indent;
  const close = (): void => {
    if (line.length > 0) lines.push(' '.repeat(indent) + paint(line, side, colour));
    line = [];
    columns = 0;
  };
  for (const word of words(tokens)) {
    const length = word.reduce(
      (sum, { text, selected }) => sum + text.length + (selected && !colour ? 2 : 0),
      0,
    );
    if (columns > 0 && columns + length > room) close();
    line.push(...word);
    columns += length;
  }
  close();
  return lines;
}

/** Groups tokens that a line must not be broken between. */
function words(tokens: readonly ShownToken[]): Run[][] {
  const groups: Run[][] = [];
  for (const { text, selected } of tokens) {
    if (groups.length === 0 || text.startsWith(' ')) groups.push([]);
    groups.at(-1)!.push({ text, selected });
  }
  return groups;
}

function paint(line: readonly Run[], side: AnswerSide, colour: boolean): string {
  const runs: Run[] = [];
  line.forEach(({ text, selected }, i) => {
    const own = i === 0 ? text.trimStart() : text;
    const last = runs.at(-1);
    if (last?.selected === selected) last.text += own;
    else runs.push({ text: own, selected });
  });
  return runs.map((run) => paintRun(run, side, colour)).join('');
}

/** The space before a selected piece stays outside it. */
function paintRun({ text, selected }: Run, side: AnswerSide, colour: boolean): string {
  const body = text.trimStart();
  const space = text.slice(0, text.length - body.length);
  if (!colour) return selected ? `${space}[${body}]` : text;
  return `${space}\u001b[${selected ? SELECTED_STYLE[side] : OTHER_STYLE}m${body}\u001b[0m`;
}
