/** The bytes of a text file in pieces, unpacked if gzipped. One piece is held at a time. */
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { explainSystemError, InputError, openRegularFile } from '@selective-dpo/foundation';
import { brokenGzip } from './file-kind.js';

/** Longest row, in bytes of JSON: 64 MiB. With it, memory is bounded whatever a gzip file unpacks to. */
export const MAX_ROW_BYTES = 64 * 1024 * 1024;

/** Most bytes of blank lines, or of blanks between the elements of an array, one after the other. */
export const MAX_BLANK_RUN = 1_000_000;

const PIECE_BYTES = 1 << 18;

/** A row as text, with the 1-based line on which it begins. */
export interface RowText {
  text: string;
  line: number;
}

/** @throws InputError `gzip-broken`, `not-a-file`, or the file system's. */
export async function* textPieces(file: string, gzip: boolean, length = Infinity): AsyncGenerator<Buffer> {
  const { handle } = await openRegularFile(file);
  const source = handle.createReadStream({ highWaterMark: PIECE_BYTES, end: length - 1 });
  // The callback keeps a failure from being thrown twice; the loop below sees it as well.
  const stream = gzip ? pipeline(source, createGunzip({ chunkSize: PIECE_BYTES }), () => undefined) : source;
  try {
    for await (const piece of stream) yield piece as Buffer;
  } catch (error) {
    if (gzip && isZlibError(error)) throw brokenGzip(file, error);
    throw explainSystemError(error, file);
  } finally {
    source.destroy();
    stream.destroy();
  }
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && /^Z_/.test((error as NodeJS.ErrnoException).code ?? '');
}

/** @returns the refusal of a file that goes on with nothing but blanks: a small gzip file may unpack to any number. */
export function endlessBlanks(file: string, row: number, line: number): InputError {
  return new InputError('json-broken', 'the file goes on with nothing but blanks', {
    file,
    line,
    row,
    found: `more than ${MAX_BLANK_RUN} bytes of them`,
    hint: 'remove them',
  });
}

/** Collects the bytes of one row, and refuses a row longer than the limit. */
export class RowBuffer {
  private parts: Buffer[] = [];
  private bytes = 0;

  constructor(
    private readonly file: string,
    private readonly maxBytes: number,
  ) {}

  get length(): number {
    return this.bytes;
  }

  /** @throws InputError `row-too-long` */
  add(part: Buffer, row: number, line: number): void {
    this.bytes += part.length;
    if (this.bytes > this.maxBytes) {
      throw new InputError('row-too-long', 'a row is longer than a row may be', {
        file: this.file,
        line,
        row,
        found: `more than ${this.maxBytes} bytes`,
        hint: 'check that this is a preference file; a JSON Lines file needs a line end after every row',
      });
    }
    this.parts.push(part);
  }

  /** The collected bytes as text; the buffer is empty afterwards. @throws InputError `not-utf8` */
  take(row: number, line: number): string {
    const bytes = this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts);
    this.parts = [];
    this.bytes = 0;
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      throw new InputError('not-utf8', 'the text is not valid UTF-8', {
        file: this.file,
        line,
        row,
        hint: 'convert the file to UTF-8',
      });
    }
  }
}
