/** Lines of a text file nobody has checked: memory holds one line, and no line is longer than any of ours. */
import { InputError, openRegularFile } from '@selective-dpo/foundation';

const MAX_LINE_BYTES = 1 << 20;
const PIECE_BYTES = 1 << 16;
const LINE_BREAK = 0x0a;

/**
 * The lines of a UTF-8 file, without their breaks; the last one with or without a break.
 * @throws InputError `metrics-damaged` for a line of more than 1 MiB; `file-not-found`, `not-a-file`, …
 */
export async function* boundedLines(path: string): AsyncGenerator<string> {
  const { handle } = await openRegularFile(path);
  try {
    const piece = Buffer.alloc(PIECE_BYTES);
    let parts: Buffer[] = [];
    let held = 0;
    let line = 1;
    for (;;) {
      const { bytesRead } = await handle.read(piece, 0, PIECE_BYTES);
      if (bytesRead === 0) break;
      let begin = 0;
      for (let end = nextBreak(piece, begin, bytesRead); end >= 0; end = nextBreak(piece, begin, bytesRead)) {
        yield textOf([...parts, piece.subarray(begin, end)]);
        [parts, held, begin] = [[], 0, end + 1];
        line++;
      }
      parts.push(Buffer.from(piece.subarray(begin, bytesRead)));
      held += bytesRead - begin;
      if (held > MAX_LINE_BYTES) throw tooLong(path, line);
    }
    if (held > 0) yield textOf(parts);
  } finally {
    await handle.close();
  }
}

function nextBreak(piece: Buffer, begin: number, end: number): number {
  return piece.subarray(0, end).indexOf(LINE_BREAK, begin);
}

function textOf(parts: readonly Buffer[]): string {
  const text = Buffer.concat(parts).toString('utf8');
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}

function tooLong(file: string, line: number): InputError {
  return new InputError('metrics-damaged', 'the file of metrics is damaged', {
    file,
    line,
    found: `a line of more than ${MAX_LINE_BYTES} bytes`,
    hint: 'remove that line and all behind it, or start anew with another --out',
  });
}
