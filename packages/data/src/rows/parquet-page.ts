/**
 * What is in a page of a Parquet file, looked at before the decoder is given it: levels and values must be as many as the
 * page says, and lie in it. Source: parquet-format, README.md ("Data Pages") and Encodings.md.
 */
import type { ParquetPageHeader } from './parquet-page-header.js';
import { readDeltas, readRuns } from './parquet-runs.js';
import type { UnpackingBudget } from './unpacking.js';

/** What the schema says of a column. */
export interface PageColumn {
  /** Physical type, as hyparquet names it. */
  type: string;
  typeLength: number;
  maxRepetition: number;
  maxDefinition: number;
}

/** Numbers in the enumeration `Encoding`. */
const [PLAIN, PLAIN_DICTIONARY, RLE, DELTA_BINARY, DELTA_LENGTH, DELTA_BYTES, RLE_DICTIONARY, SPLIT] = [
  0, 2, 3, 5, 6, 7, 8, 9,
];
const WIDTHS: Readonly<Record<string, number>> = { INT32: 4, FLOAT: 4, INT64: 8, DOUBLE: 8, INT96: 12 };
const BYTES_A_STEP = 1 << 20;

/** Checks the pages of one column of a row group, one after the other. */
export class PageCheck {
  /** Rows that began so far. */
  rows = 0;
  private dictionary: number | undefined;

  constructor(
    private readonly column: PageColumn,
    private readonly budget: UnpackingBudget,
  ) {}

  /** Of a dictionary's page, from its header: places in it may be looked at before it is. @throws Error for a second one. */
  expectDictionary(values: number): void {
    if (this.dictionary !== undefined) throw new Error('two dictionaries');
    this.dictionary = values;
  }

  /** A page of one piece: dictionary, or data of the first version. @param bytes unpacked. @throws Error. */
  checkWhole(header: ParquetPageHeader, bytes: DataView): void {
    const end = bytes.byteLength;
    if (header.kind === 'dictionary') {
      this.checkPlain(bytes, 0, header.values);
      return;
    }
    const { maxRepetition, maxDefinition } = this.column;
    let at = 0;
    const levels = (max: number, check: (begin: number, stop: number) => void): void => {
      if (max === 0) return;
      const stop = at + 4 + bytes.getUint32(at, true);
      if (stop > end) throw new Error('levels beyond the end of their page');
      check(at + 4, stop);
      at = stop;
    };
    let present = header.values;
    if (maxRepetition === 0) this.rows += header.values;
    levels(maxRepetition, (begin, stop) => this.checkRepetition(bytes, begin, stop, header.values));
    levels(maxDefinition, (begin, stop) => (present = this.definitions(bytes, begin, stop, header.values)));
    this.checkValues(bytes, at, present, header.encoding);
  }

  /** Levels of a page of the second version, which are never packed. @throws Error. */
  checkLevels({ values, nulls, repetitionBytes, definitionBytes }: ParquetPageHeader, bytes: DataView): void {
    const { maxRepetition, maxDefinition } = this.column;
    const end = repetitionBytes + definitionBytes;
    if (end > bytes.byteLength) throw new Error('levels beyond the end of their page');
    if ((maxRepetition === 0 && repetitionBytes > 0) || (maxDefinition === 0 && definitionBytes > 0)) {
      throw new Error('levels that the schema has no use for');
    }
    if (maxRepetition === 0) this.rows += values;
    else this.checkRepetition(bytes, 0, repetitionBytes, values);
    const present = maxDefinition === 0 ? values : this.definitions(bytes, repetitionBytes, end, values);
    if (values - present !== nulls) throw new Error(`${nulls} nulls, where ${values - present} are`);
  }

  /** @param present values that are no nulls. @throws Error. */
  checkValues(bytes: DataView, at: number, present: number, encoding: number): void {
    const end = bytes.byteLength;
    if (present === 0) return;
    if (encoding === PLAIN) this.checkPlain(bytes, at, present);
    else if (encoding === PLAIN_DICTIONARY || encoding === RLE_DICTIONARY)
      this.checkPlaces(bytes, at, present);
    else if (encoding === RLE && this.column.type === 'BOOLEAN')
      readRuns(bytes, at + 4, end, 1, present, () => undefined);
    else if (encoding === DELTA_BINARY) readDeltas(bytes, at, end, present);
    else if (encoding === DELTA_LENGTH) {
      const { values, end: begin } = readDeltas(bytes, at, end, present);
      this.checkLengths(values, end - begin);
    } else if (encoding === DELTA_BYTES) this.checkPrefixes(bytes, at, present);
    else if (encoding === SPLIT) this.checkRoom(end - at, present * this.width());
    else throw new Error(`values of encoding ${encoding}`);
  }

  private checkRepetition(bytes: DataView, begin: number, end: number, count: number): void {
    const { maxRepetition } = this.column;
    readRuns(bytes, begin, end, bitsOf(maxRepetition), count, (level, times) => {
      if (level > maxRepetition) throw new Error(`a repetition level of ${level}`);
      if (level === 0) this.rows += times;
      else if (this.rows === 0) throw new Error('a column that begins within a row');
    });
  }

  private definitions(bytes: DataView, begin: number, end: number, count: number): number {
    const { maxDefinition } = this.column;
    let present = 0;
    readRuns(bytes, begin, end, bitsOf(maxDefinition), count, (level, times) => {
      if (level > maxDefinition) throw new Error(`a definition level of ${level}`);
      if (level === maxDefinition) present += times;
    });
    return present;
  }

  private checkPlain(bytes: DataView, begin: number, count: number): void {
    const end = bytes.byteLength;
    if (this.column.type === 'BOOLEAN') this.checkRoom(end - begin, Math.ceil(count / 8));
    else if (this.column.type !== 'BYTE_ARRAY') this.checkRoom(end - begin, count * this.width());
    else {
      let at = begin;
      for (let i = 0; i < count; i++) {
        if (at + 4 > end) throw new Error(`${i} of ${count} values`);
        at += 4 + bytes.getUint32(at, true);
      }
      if (at > end) throw new Error('a value beyond the end of its page');
    }
  }

  private checkPlaces(bytes: DataView, begin: number, present: number): void {
    if (this.dictionary === undefined) throw new Error('places in a dictionary that is not there');
    const size = this.dictionary;
    const width = bytes.getUint8(begin);
    // Of a dictionary of one value: some write nothing more.
    if (width === 0 && size > 0 && begin + 1 === bytes.byteLength) return;
    readRuns(bytes, begin + 1, bytes.byteLength, width, present, (place) => {
      if (place >= size) throw new Error(`value ${place} of a dictionary of ${size}`);
    });
  }

  private checkLengths(lengths: Float64Array, room: number): void {
    let total = 0;
    for (const length of lengths) {
      if (!(length >= 0)) throw new Error(`a text of ${length} bytes`);
      total += length;
    }
    this.checkRoom(room, total);
  }

  /** A text may begin with the one before it, and so on: what they are together is more than the page. */
  private checkPrefixes(bytes: DataView, begin: number, present: number): void {
    const prefixes = readDeltas(bytes, begin, bytes.byteLength, present);
    const suffixes = readDeltas(bytes, prefixes.end, bytes.byteLength, present);
    this.checkLengths(suffixes.values, bytes.byteLength - suffixes.end);
    let before = 0;
    let unpacked = 0;
    for (let i = 0; i < present; i++) {
      const shared = prefixes.values[i]!;
      if (!(shared >= 0 && shared <= before)) throw new Error(`${shared} shared bytes of ${before}`);
      before = shared + suffixes.values[i]!;
      unpacked += before;
      if (unpacked > BYTES_A_STEP) {
        this.budget.take(unpacked);
        unpacked = 0;
      }
    }
    this.budget.take(unpacked);
  }

  private width(): number {
    const width = WIDTHS[this.column.type] ?? this.column.typeLength;
    if (!(width > 0)) throw new Error(`values of ${width} bytes`);
    return width;
  }

  private checkRoom(room: number, needed: number): void {
    if (needed > room) throw new Error(`values of ${needed} bytes in ${room}`);
  }
}

function bitsOf(level: number): number {
  return 32 - Math.clz32(level);
}
