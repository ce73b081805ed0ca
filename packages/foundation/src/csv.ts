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
