/** JSON Lines, one row at a time. */
import {
  endlessBlanks,
  MAX_BLANK_RUN,
  MAX_ROW_BYTES,
  RowBuffer,
  textPieces,
  type RowText,
} from './text-pieces.js';

const LINE_FEED = 0x0a;

/**
 * The lines of a file, or of its first `length` bytes, at least one, that are not blank. A byte-order mark at the start and carriage returns are left out.
 * @throws InputError `json-broken` for blank lines without end; `row-too-long`, `not-utf8`, `gzip-broken`, or the file system's.
 */
export async function* jsonLines(
  file: string,
  gzip: boolean,
  maxRowBytes: number = MAX_ROW_BYTES,
  length = Infinity,
): AsyncGenerator<RowText> {
  const buffer = new RowBuffer(file, maxRowBytes);
  let line = 1;
  let row = 0;
  let blank = 0;
  for await (const piece of textPieces(file, gzip, length)) {
    let start = 0;
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, start)) {
      buffer.add(piece.subarray(start, end), row, line);
      const characters = buffer.length + 1;
      const text = buffer.take(row, line).trim();
      if (text !== '') {
        yield { text, line };
        row++;
        blank = 0;
      } else if ((blank += characters) > MAX_BLANK_RUN) throw endlessBlanks(file, row, line);
      line++;
      start = end + 1;
    }
    if (start < piece.length) buffer.add(piece.subarray(start), row, line);
  }
  if (buffer.length > 0) {
    const text = buffer.take(row, line).trim();
    if (text !== '') yield { text, line };
  }
}
