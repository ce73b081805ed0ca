/**
 * A JSON array file, streamed: the elements are cut out by brackets and quotes and given one by one, so that a
 * file of any size needs the memory of one row. Grammar: RFC 8259.
 */
import { InputError } from '@selective-dpo/foundation';
import {
  endlessBlanks,
  MAX_BLANK_RUN,
  MAX_ROW_BYTES,
  RowBuffer,
  textPieces,
  type RowText,
} from './text-pieces.js';

/** Deepest nesting inside a row. Preference rows need about five levels. */
export const MAX_NESTING = 256;

const [LINE_FEED, SPACE, QUOTE, COMMA, BACKSLASH] = [0x0a, 0x20, 0x22, 0x2c, 0x5c];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

type State =
  'before-array' | 'before-first' | 'before-element' | 'in-element' | 'after-element' | 'after-array';

/** Cuts the elements of one array out of pieces of bytes. */
class ArraySplitter {
  private state: State = 'before-array';
  private depth = 0;
  private inText = false;
  private escaped = false;
  private line = 1;
  private elementLine = 1;
  private row = 0;
  private blanks = 0;
  private readonly buffer: RowBuffer;

  constructor(
    private readonly file: string,
    maxRowBytes: number,
  ) {
    this.buffer = new RowBuffer(file, maxRowBytes);
  }

  /** The elements that end in this piece. */
  *split(piece: Buffer): Generator<RowText> {
    let start = 0;
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i]!;
      if (byte === LINE_FEED) this.line++;
      if (this.state !== 'in-element') {
        if (this.between(byte)) start = i;
        continue;
      }
      if (!this.endsElement(byte)) continue;
      // A closing bracket belongs to its element; a comma or the array's own bracket does not.
      const closes = byte === CLOSE_BRACE || (byte === CLOSE_BRACKET && this.depth === 0);
      const outer = this.depth < 0 || byte === COMMA;
      this.buffer.add(piece.subarray(start, closes && !outer ? i + 1 : i), this.row, this.elementLine);
      yield { text: this.buffer.take(this.row, this.elementLine), line: this.elementLine };
      this.row++;
      this.state = 'after-element';
      if (outer) {
        this.depth = 0;
        this.between(byte);
      }
    }
    if (this.state === 'in-element') this.buffer.add(piece.subarray(start), this.row, this.elementLine);
  }

  /** @throws InputError `json-broken` unless the array was closed. */
  finish(): void {
    if (this.state === 'after-array') return;
    throw this.broken(
      this.state === 'in-element' ? 'the file ends inside a row' : 'the file ends before the array is closed',
      'the end of the file',
      'download the file again, or end the array with ]',
    );
  }

  /** A byte outside elements. Returns true if an element begins with it. */
  private between(byte: number): boolean {
    if (byte === SPACE || byte === LINE_FEED || byte === 0x0d || byte === 0x09) {
      if (++this.blanks > MAX_BLANK_RUN) throw endlessBlanks(this.file, this.row, this.line);
      return false;
    }
    this.blanks = 0;
    switch (this.state) {
      case 'before-array':
        if (BYTE_ORDER_MARK.includes(byte) && this.line === 1) return false;
        if (byte !== OPEN_BRACKET) break;
        this.state = 'before-first';
        return false;
      case 'before-first':
      case 'before-element':
        if (byte === CLOSE_BRACKET && this.state === 'before-first') {
          this.state = 'after-array';
          return false;
        }
        if (byte === COMMA || byte === CLOSE_BRACKET || byte === CLOSE_BRACE) break;
        this.state = 'in-element';
        this.depth = 0;
        this.inText = false;
        this.elementLine = this.line;
        this.endsElement(byte);
        return true;
      case 'after-element':
        if (byte !== COMMA && byte !== CLOSE_BRACKET) break;
        this.state = byte === COMMA ? 'before-element' : 'after-array';
        return false;
      default:
    }
    throw this.broken('the array is not valid JSON here', JSON.stringify(String.fromCharCode(byte)));
  }

  /** Follows nesting and quotes. Returns true at the byte with which, or before which, the element ends. */
  private endsElement(byte: number): boolean {
    if (this.inText) {
      if (this.escaped) this.escaped = false;
      else if (byte === BACKSLASH) this.escaped = true;
      else if (byte === QUOTE) this.inText = false;
      return false;
    }
    switch (byte) {
      case QUOTE:
        this.inText = true;
        return false;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        this.depth++;
        if (this.depth > MAX_NESTING)
          throw this.broken('a row is nested too deeply', `${MAX_NESTING} levels`);
        return false;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        this.depth--;
        return this.depth <= 0;
      case COMMA:
        return this.depth === 0;
      default:
        return false;
    }
  }

  private broken(message: string, found: string, hint = 'mend the file at this place'): InputError {
    return new InputError('json-broken', message, {
      file: this.file,
      line: this.line,
      row: this.row,
      found,
      hint,
    });
  }
}

/**
 * The elements of a JSON array file, as texts still to be parsed.
 * @throws InputError `json-broken`, `row-too-long`, `not-utf8`, `gzip-broken`, or the file system's.
 */
export async function* jsonArrayElements(
  file: string,
  gzip: boolean,
  maxRowBytes: number = MAX_ROW_BYTES,
): AsyncGenerator<RowText> {
  const splitter = new ArraySplitter(file, maxRowBytes);
  for await (const piece of textPieces(file, gzip)) yield* splitter.split(piece);
  splitter.finish();
}
