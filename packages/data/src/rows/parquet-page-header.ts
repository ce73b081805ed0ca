/**
 * Headers of Parquet's pages, in Thrift's compact protocol. Every number is held against what it may be, since a decoder takes
 * it as it stands. Sources: parquet.thrift (PageHeader) of parquet-format; "Thrift compact protocol" of Apache Thrift.
 */

/** What a page says of itself. Counts are whole numbers from 0 on, sizes bytes. */
export interface ParquetPageHeader {
  kind: 'data' | 'data-v2' | 'dictionary';
  unpackedBytes: number;
  packedBytes: number;
  values: number;
  /** Number in the enumeration `Encoding`. */
  encoding: number;
  /** Of `data-v2`. */
  nulls: number;
  rows: number;
  repetitionBytes: number;
  definitionBytes: number;
  /** Whether the values of a page of `data-v2` are packed. */
  packed: boolean;
}

type Fields = Map<number, number | Fields | undefined>;

/** Structs and lists inside one another; a page header has three. */
const MOST_LEVELS = 12;
const [DATA, INDEX, DICTIONARY, DATA_V2] = [0, 1, 2, 3];

/**
 * Reads a page header.
 * @returns it and the byte behind it; undefined for a kind of page that holds no values.
 * @throws Error, RangeError for bytes that are none.
 */
export function readPageHeader(
  bytes: DataView,
  begin: number,
): { header: ParquetPageHeader | undefined; packedBytes: number; end: number } {
  const reader = new CompactReader(bytes, begin);
  const fields = reader.struct(0);
  const packedBytes = count(fields, 3, 'packed bytes');
  const kind = count(fields, 1, 'kind');
  if (kind === INDEX) return { header: undefined, packedBytes, end: reader.at };
  const named = { [DATA]: ['data', 5], [DICTIONARY]: ['dictionary', 7], [DATA_V2]: ['data-v2', 8] } as const;
  const [name, slot] = named[kind] ?? [undefined, 0];
  const inner = fields.get(slot);
  if (name === undefined || !(inner instanceof Map)) throw new Error(`a page of kind ${kind}`);
  const second = name === 'data-v2';
  const header: ParquetPageHeader = {
    ...{ kind: name, packedBytes, unpackedBytes: count(fields, 2, 'unpacked bytes') },
    ...{ values: count(inner, 1, 'values'), encoding: count(inner, second ? 4 : 2, 'encoding') },
    nulls: second ? count(inner, 2, 'nulls') : 0,
    rows: second ? count(inner, 3, 'rows') : 0,
    definitionBytes: second ? count(inner, 5, 'bytes of levels') : 0,
    repetitionBytes: second ? count(inner, 6, 'bytes of levels') : 0,
    packed: inner.get(7) !== 0,
  };
  return { header, packedBytes, end: reader.at };
}

function count(fields: Fields, id: number, name: string): number {
  const value = fields.get(id);
  if (typeof value === 'number' && value >= 0 && value < 2 ** 31) return value;
  throw new Error(`a page header with ${typeof value === 'number' ? value : 'no'} ${name}`);
}

/** Structs as maps from ids to integers (booleans are 1 and 0) and structs; anything else is passed over. */
class CompactReader {
  constructor(
    private readonly bytes: DataView,
    public at: number,
  ) {}

  struct(level: number): Fields {
    if (level > MOST_LEVELS) throw new Error('a page header nested too deeply');
    const fields: Fields = new Map();
    for (let id = 0; ;) {
      const head = this.bytes.getUint8(this.at++);
      if (head === 0) return fields;
      id = head >> 4 === 0 ? this.zigzag() : id + (head >> 4);
      fields.set(id, this.value(head & 15, level));
    }
  }

  private value(type: number, level: number): number | Fields | undefined {
    if (type === 1 || type === 2) return 2 - type;
    if (type >= 4 && type <= 6) return this.zigzag();
    if (type === 12) return this.struct(level + 1);
    if (type === 3 || type === 7) this.skip(type === 3 ? 1 : 8);
    else if (type === 8) this.skip(this.varint());
    else if (type === 9) this.list(level);
    else throw new Error(`a page header with a value of type ${type}`);
    return undefined;
  }

  private list(level: number): void {
    const head = this.bytes.getUint8(this.at++);
    const length = head >> 4 === 15 ? this.varint() : head >> 4;
    const type = head & 15;
    for (let i = 0; i < length; i++) {
      if (type === 1 || type === 2) this.skip(1);
      else this.value(type, level + 1);
    }
  }

  private skip(length: number): void {
    this.at += length;
    if (this.at > this.bytes.byteLength) throw new Error('a page header that does not end');
  }

  private zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** At most ten bytes; beyond 2⁵³ it is not exact, and too large for anything. */
  private varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.bytes.getUint8(this.at++);
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new Error('a number of more than ten bytes');
  }
}
