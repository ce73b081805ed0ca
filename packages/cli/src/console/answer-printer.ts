/** The answer to a question in SQL: the first rows as a table, or all rows as CSV or JSON as they come. */
import { csvLine } from '@selective-dpo/foundation';
import type { Answer, AnswerValue } from '@selective-dpo/stats';
import { renderTable, type TableRow } from '../demo/result-table.js';
import { withoutControls, type ConsoleWriter } from './console-writer.js';
import { formatCount } from './format.js';

export type AnswerFormat = 'table' | 'csv' | 'json';

/** Characters of a cell in a table. */
const MAX_CELL = 60;

/** @param rows of a table, at most. */
export async function printAnswer(
  writer: ConsoleWriter,
  answer: Answer,
  format: AnswerFormat,
  rows: number,
): Promise<void> {
  if (format === 'table') await printTable(writer, answer, rows);
  else await printRows(writer, answer, format);
}

async function printRows(writer: ConsoleWriter, { columns, batches }: Answer, format: 'csv' | 'json') {
  // A terminal is shown no carriage return, with which a text could hide what stands before it.
  const line = (cells: Parameters<typeof csvLine>[0]) =>
    writer.piece(writer.isTerminal ? csvLine(cells).replace(/\r\n$/, '\n') : csvLine(cells));
  if (format === 'csv') line(columns);
  for await (const batch of batches) {
    for (const row of batch) {
      if (format === 'csv') line(row.map(csvCell));
      else writer.event({ type: 'row', row: Object.fromEntries(columns.map((name, i) => [name, row[i]])) });
    }
    if (!(await writer.reader())) return;
  }
}

async function printTable(writer: ConsoleWriter, { columns, batches }: Answer, most: number): Promise<void> {
  const shown: TableRow[] = [];
  let more = false;
  for await (const batch of batches) {
    const room = most - shown.length;
    more = batch.length > room;
    shown.push(...batch.slice(0, room).map((row) => row.map(tableCell) as unknown as TableRow));
    if (more) break;
  }
  const header = columns.map(shownText) as unknown as TableRow;
  for (const line of renderTable([header, ...shown])) writer.line(line);
  const count = formatCount(shown.length, 'row');
  writer.line(more ? `  first ${count}; --rows N shows more, --csv and --json all` : `  ${count}`);
}

/** Lists and objects as JSON. */
function csvCell(value: AnswerValue): string | number | boolean | undefined {
  if (value === null) return undefined;
  return typeof value === 'object' ? JSON.stringify(value) : value;
}

function tableCell(value: AnswerValue): string {
  if (typeof value === 'number' && !Number.isInteger(value)) return String(Number(value.toPrecision(6)));
  return shownText(String(csvCell(value) ?? ''));
}

/** Texts of a dataset stay on their line and cannot steer a terminal. */
function shownText(text: string): string {
  const line = withoutControls(text.slice(0, MAX_CELL + 1)).replace(/[\n\t]/g, ' ');
  return line.length > MAX_CELL ? `${line.slice(0, MAX_CELL - 1)}…` : line;
}
