/** Which bytes of a file a request asks for: RFC 9110, section 14. */

/** First and last byte, both counted from 0 and both meant. */
export interface ByteRange {
  first: number;
  last: number;
}

/**
 * Reads a `Range` header for content of `size` bytes. Places have any number of digits: those that no double tells apart lie beyond all files.
 * @returns `all` where there is no header, or one that a server may pass over: another unit, a form that is not the specification's,
 *   more than one range; `none` where no byte of the range is there (status 416).
 */
export function byteRange(header: string | undefined, size: number): ByteRange | 'all' | 'none' {
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? '');
  if (match === null) return 'all';
  const [begin, end] = [match[1]!, match[2]!];
  if (begin === '') {
    if (end === '') return 'all';
    // The last bytes.
    const count = Math.min(Number(end), size);
    return count === 0 ? 'none' : { first: size - count, last: size - 1 };
  }
  const first = Number(begin);
  const last = end === '' ? size - 1 : Number(end);
  if (end !== '' && last < first) return 'all';
  return first >= size ? 'none' : { first, last: Math.min(last, size - 1) };
}
