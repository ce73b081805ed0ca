/**
 * The two ways in which Parquet packs whole numbers: runs (levels, places in a dictionary) and deltas (lengths of texts).
 * Everything here ends with the bytes that are there. Source: parquet-format, Encodings.md.
 */

/** Bit-packed groups hold eight values; writers may fill up the last run with so many groups. */
const MOST_PADDING = 64 * 8;
/** Values in a block of deltas: writers have 128. */
const MOST_BLOCK = 1 << 20;

/**
 * Runs of `count` numbers of `width` bits, from `begin` on.
 * @param take is told each value and how many times it stands there.
 * @throws Error where they go beyond `end`, or a run is longer than what is left.
 */
export function readRuns(
  bytes: DataView,
  begin: number,
  end: number,
  width: number,
  count: number,
  take: (value: number, times: number) => void,
): void {
  if (width > 32) throw new Error(`numbers of ${width} bits`);
  let at = begin;
  for (let left = count; left > 0;) {
    const head = readVarint(bytes, at, end);
    at = head.end;
    const length = Math.floor(head.value / 2) * (head.value % 2 === 1 ? 8 : 1);
    if (head.value % 2 === 0) {
      if (length > left) throw new Error(`a run of ${length} where ${left} are left`);
      const size = Math.ceil(width / 8);
      if (at + size > end) throw new Error('a run beyond the end of its page');
      let value = 0;
      for (let i = 0; i < size; i++) value += bytes.getUint8(at + i) * 2 ** (8 * i);
      at += size;
      if (length > 0) take(value, length);
      left -= length;
      continue;
    }
    const used = Math.min(length, left);
    if (length > left + MOST_PADDING) throw new Error(`a run of ${length} where ${left} are left`);
    if (at + Math.ceil((used * width) / 8) > end) throw new Error('a run beyond the end of its page');
    for (let i = 0; i < used; i++) take(bitsAt(bytes, at, i * width, width), 1);
    at += (length / 8) * width;
    left -= used;
  }
}

/**
 * `count` numbers by their differences, from `begin` on. Numbers beyond 2⁵³ are not exact: for lengths, and to see where they end.
 * @throws Error where they go beyond `end`, or are packed as nobody packs them.
 */
export function readDeltas(
  bytes: DataView,
  begin: number,
  end: number,
  count: number,
): { values: Float64Array; end: number } {
  const block = readVarint(bytes, begin, end);
  const parts = readVarint(bytes, block.end, end);
  const total = readVarint(bytes, parts.end, end);
  const first = readVarint(bytes, total.end, end);
  const size = block.value / parts.value;
  if (!(block.value <= MOST_BLOCK && size > 0 && size % 8 === 0)) {
    throw new Error(`deltas in blocks of ${block.value} and ${parts.value} parts`);
  }
  if (total.value !== count) throw new Error(`${total.value} deltas for ${count} values`);
  const values = new Float64Array(count);
  let at = first.end;
  let value = unzigzag(first.value);
  if (count > 0) values[0] = value;
  for (let next = 1; next < count;) {
    const least = readVarint(bytes, at, end);
    const widths = least.end;
    at = widths + parts.value;
    if (at > end) throw new Error('deltas beyond the end of their page');
    for (let part = 0; part < parts.value && next < count; part++) {
      const width = bytes.getUint8(widths + part);
      const used = Math.min(size, count - next);
      if (width > 64 || at + (used * width) / 8 > end) throw new Error('deltas beyond the end of their page');
      for (let i = 0; i < used; i++) {
        value += unzigzag(least.value) + bitsAt(bytes, at, i * width, width);
        values[next++] = value;
      }
      at += (size * width) / 8;
    }
  }
  return { values, end: at };
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

/** `width` bits from bit `bit` on, least significant first. */
function bitsAt(bytes: DataView, begin: number, bit: number, width: number): number {
  let value = 0;
  for (let have = 0; have < width;) {
    const place = bit + have;
    const step = Math.min(8 - (place & 7), width - have);
    const byte = bytes.getUint8(begin + Math.floor(place / 8));
    value += ((byte >> (place & 7)) & (2 ** step - 1)) * 2 ** have;
    have += step;
  }
  return value;
}

function readVarint(bytes: DataView, begin: number, end: number): { value: number; end: number } {
  let value = 0;
  for (let i = 0; i < 10 && begin + i < end; i++) {
    const byte = bytes.getUint8(begin + i);
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, end: begin + i + 1 };
  }
  throw new Error('a number beyond the end of its page');
}
