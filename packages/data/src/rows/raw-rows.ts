/** The rows of a file of any kind, as the file has them. */
import { InputError, parseShallowJson } from '@selective-dpo/foundation';
import { columnarRows, DECODE_DEADLINE_MS } from './columnar-rows.js';
import type { RecognisedFile } from './file-kind.js';
import { jsonArrayElements, MAX_NESTING } from './json-array.js';
import { jsonLines } from './json-lines.js';

export interface RawRow {
  value: unknown;
  /** All fields of the row, where `value` has only some. */
  fields?: string[];
}

/**
 * The rows in file order.
 * @param columns what is decoded of Parquet and Arrow; rows of JSON come whole.
 * @param longest as {@link columnarRows} has it.
 * @throws InputError `json-broken`, `row-too-long`, `not-utf8`, `gzip-broken`, `parquet-unreadable`, `arrow-unreadable`, or the file
 *   system's.
 */
export async function* rawRows(
  file: string,
  { kind, gzip }: RecognisedFile,
  columns: readonly string[],
  longest = Infinity,
): AsyncGenerator<RawRow> {
  if (kind !== 'jsonl' && kind !== 'json') {
    yield* columnarRows(file, kind, columns, DECODE_DEADLINE_MS, longest);
    return;
  }
  const texts = kind === 'jsonl' ? jsonLines(file, gzip) : jsonArrayElements(file, gzip);
  let row = 0;
  for await (const { text, line } of texts) {
    yield { value: parseRow(text, file, row, line) };
    row++;
  }
}

function parseRow(text: string, file: string, row: number, line: number): unknown {
  try {
    return parseShallowJson(text, MAX_NESTING);
  } catch (error) {
    throw new InputError('json-broken', 'the row is not valid JSON', {
      file,
      line,
      row,
      found: (error as Error).message,
      hint: 'mend or remove this row',
    });
  }
}
