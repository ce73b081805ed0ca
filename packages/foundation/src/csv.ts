/** Lines of CSV (RFC 4180) that are safe to open in a spreadsheet. */

/** A line with its break. Texts are quoted where they must be; undefined is an empty cell. */
export function csvLine(cells: readonly (string | number | boolean | undefined)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

/** A leading = + - @ in a text makes spreadsheets compute it: such a text is quoted behind an apostrophe. */
function csvCell(cell: string | number | boolean | undefined): string {
  if (cell === undefined) return '';
  if (typeof cell !== 'string') return String(cell);
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * The cells of a text of CSV (RFC 4180), as texts, line by line. A quote that is never closed ends with the text.
 * @returns lines of any lengths; a break at the end begins no further line.
 */
export function csvRecords(text: string): string[][] {
  const records: string[][] = [];
  let at = 0;
  while (at < text.length) {
    const record: string[] = [];
    do {
      const { cell, end } = text[at] === '"' ? quotedCell(text, at + 1) : plainCell(text, at);
      record.push(cell);
      at = end;
    } while (text[at++] === ',');
    if (text[at - 1] === '\r' && text[at] === '\n') at++;
    records.push(record);
  }
  return records;
}

interface CellAt {
  cell: string;
  /** Place of the comma or break behind it, or the text's length. */
  end: number;
}

function plainCell(text: string, from: number): CellAt {
  const rest = /[^,\r\n]*/y;
  rest.lastIndex = from;
  const [cell] = rest.exec(text)!;
  return { cell, end: from + cell.length };
}

/** @param from place behind the quote. What stands between the closing quote and the end is part of the cell. */
function quotedCell(text: string, from: number): CellAt {
  let cell = '';
  for (let at = from; ;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return { cell: cell + text.slice(at), end: text.length };
    cell += text.slice(at, quote);
    if (text[quote + 1] !== '"') {
      const { cell: rest, end } = plainCell(text, quote + 1);
      return { cell: cell + rest, end };
    }
    cell += '"';
    at = quote + 2;
  }
}
