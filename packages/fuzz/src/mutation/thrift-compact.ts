/**
 * Thrift's compact protocol as a tree that can be changed and written again, right or wrong: the metadata of Parquet files.
 * Source: the description "Thrift compact protocol" of Apache Thrift. Throws for bytes that are not right.
 */

/** Types by the number that stands for them. */
export const [TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, STRUCT] = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 12,
];

export type ThriftValue =
  | { type: typeof I16 | typeof I32 | typeof I64; integer: bigint }
  | { type: typeof BINARY; bytes: Buffer }
  | { type: typeof LIST; items: ThriftValue[]; itemType: number; count?: number }
  | { type: typeof STRUCT; fields: [number, ThriftValue][] }
  | { type: number; raw: Buffer };

export type ThriftStruct = Extract<ThriftValue, { fields: unknown }>;
export type ThriftInteger = Extract<ThriftValue, { integer: bigint }>;
export type ThriftList = Extract<ThriftValue, { items: unknown }>;

/** Reads a struct. @returns it, and the byte behind it. */
export function readStruct(bytes: Buffer, begin: number): { struct: ThriftStruct; end: number } {
  const reader = new Reader(bytes, begin);
  return { struct: reader.struct(), end: reader.at };
}

/** A struct as bytes. */
export function writeStruct({ fields }: ThriftStruct): Buffer {
  const pieces: Buffer[] = [];
  let last = 0;
  for (const [id, value] of fields) {
    const delta = id - last;
    if (delta > 0 && delta < 16) pieces.push(Buffer.from([(delta << 4) | value.type]));
    else pieces.push(Buffer.from([value.type]), varint(zigzag(BigInt(id))));
    pieces.push(writeValue(value));
    last = id;
  }
  return Buffer.concat([...pieces, Buffer.from([0])]);
}

/** The value of a field. @throws TypeError where there is none. */
export function field(struct: ThriftStruct, id: number): ThriftValue {
  const found = struct.fields.find(([key]) => key === id);
  if (found === undefined) throw new TypeError(`no field ${id}`);
  return found[1];
}

export function integerField(struct: ThriftStruct, id: number): ThriftInteger {
  return field(struct, id) as ThriftInteger;
}

export function structs(struct: ThriftStruct, id: number): ThriftStruct[] {
  return (field(struct, id) as ThriftList).items as ThriftStruct[];
}

/** Sets a field to an integer, in its place or at the end. */
export function setInteger(struct: ThriftStruct, id: number, integer: bigint, type: 4 | 5 | 6 = 6): void {
  const value: ThriftValue = { type, integer };
  const at = struct.fields.findIndex(([key]) => key === id);
  if (at >= 0) struct.fields[at] = [id, value];
  else struct.fields = [...struct.fields, [id, value] as [number, ThriftValue]].sort(([a], [b]) => a - b);
}

function writeValue(value: ThriftValue): Buffer {
  if ('integer' in value) return varint(zigzag(value.integer));
  if ('bytes' in value) return Buffer.concat([varint(BigInt(value.bytes.length)), value.bytes]);
  if ('fields' in value) return writeStruct(value);
  if ('raw' in value) return value.raw;
  const count = value.count ?? value.items.length;
  const head =
    count >= 0 && count < 15
      ? Buffer.from([(count << 4) | value.itemType])
      : Buffer.concat([Buffer.from([0xf0 | value.itemType]), varint(BigInt.asUintN(32, BigInt(count)))]);
  return Buffer.concat([head, ...value.items.map(writeValue)]);
}

function zigzag(value: bigint): bigint {
  return BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

class Reader {
  constructor(
    private readonly bytes: Buffer,
    public at: number,
  ) {}

  struct(): ThriftStruct {
    const fields: [number, ThriftValue][] = [];
    for (let id = 0; ;) {
      const head = this.bytes.readUInt8(this.at++);
      if (head === 0) return { type: STRUCT, fields };
      id = head >> 4 === 0 ? Number(this.zigzag()) : id + (head >> 4);
      fields.push([id, this.value(head & 15)]);
    }
  }

  private value(type: number): ThriftValue {
    if (type === I16 || type === I32 || type === I64) return { type, integer: this.zigzag() };
    if (type === BINARY) return { type, bytes: this.take(Number(this.varint())) };
    if (type === STRUCT) return this.struct();
    if (type === LIST) return this.list();
    if (type > DOUBLE) throw new TypeError(`a value of type ${type}`);
    return { type, raw: this.take({ [BYTE]: 1, [DOUBLE]: 8 }[type] ?? 0) };
  }

  private list(): ThriftValue {
    const head = this.bytes.readUInt8(this.at++);
    const count = head >> 4 === 15 ? Number(this.varint()) : head >> 4;
    const itemType = head & 15;
    if (count > this.bytes.length) throw new RangeError(`${count} items`);
    const one = (): ThriftValue =>
      itemType <= FALSE ? { type: itemType, raw: this.take(1) } : this.value(itemType);
    return { type: LIST, itemType, items: Array.from({ length: count }, one) };
  }

  private take(length: number): Buffer {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  private varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes.readUInt8(this.at++);
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  }

  private zigzag(): bigint {
    const value = this.varint();
    return (value >> 1n) ^ -(value & 1n);
  }
}
