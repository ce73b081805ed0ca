/**
 * Decoded rows as answers of a size that can be sent. In a file many rows may share one text, of a dictionary or of nothing but
 * a repeated byte; sent to another thread, each row has its own.
 */
import type { ColumnarAnswer } from './columnar-protocol.js';
import { fieldLength } from './field-length.js';

/** Rows in one answer: enough to make messages cheap, few enough to keep them small. */
const ROWS_PER_ANSWER = 256;
/** Characters and values in one answer, about: at least a row. */
const LENGTH_PER_ANSWER = 16 << 20;

/**
 * @param rows values in the order of `columns`.
 * @param longest of a field that the receiver can use: of a longer one it gets a text that is still longer than that.
 */
export function* rowAnswers(
  columns: string[],
  rows: Iterable<unknown[]>,
  longest: number,
): Generator<ColumnarAnswer> {
  let held: unknown[][] = [];
  let length = 0;
  for (const row of rows) {
    const values = row.map((value) => shortened(value, longest));
    held.push(values);
    length += values.reduce<number>((sum, value) => sum + fieldLength(value, LENGTH_PER_ANSWER), 0);
    if (held.length < ROWS_PER_ANSWER && length < LENGTH_PER_ANSWER) continue;
    yield { type: 'rows', columns, rows: held };
    [held, length] = [[], 0];
  }
  if (held.length > 0) yield { type: 'rows', columns, rows: held };
}

function shortened(value: unknown, longest: number): unknown {
  if (longest === Infinity || fieldLength(value, longest) <= longest) return value;
  return typeof value === 'string' ? value.slice(0, longest + 1) : ' '.repeat(longest + 1);
}
