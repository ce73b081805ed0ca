/**
 * FlatBuffers, the encoding of Arrow's metadata, as far as Arrow uses it. Every read is checked against the bytes that are
 * there, and a vector's length against the room for it, so that reading bytes from anywhere ends.
 * Source: https://flatbuffers.dev/internals
 */

/** Thrown for bytes that do not hold what is asked for; reads beyond the end throw RangeError themselves. */
export class BrokenFlatBuffer extends Error {}

/** A table: fields by slot, each of which may be absent. */
export class FlatTable {
  private constructor(
    private readonly bytes: DataView,
    private readonly at: number,
  ) {}

  /** The table that a buffer is about. @throws BrokenFlatBuffer, RangeError. */
  static root(bytes: DataView): FlatTable {
    return new FlatTable(bytes, bytes.getUint32(0, true));
  }

  has(slot: number): boolean {
    return this.place(slot) !== 0;
  }

  /** Fields that hold their default are absent. */
  uint8(slot: number, absent = 0): number {
    const place = this.place(slot);
    return place === 0 ? absent : this.bytes.getUint8(place);
  }

  int16(slot: number, absent = 0): number {
    const place = this.place(slot);
    return place === 0 ? absent : this.bytes.getInt16(place, true);
  }

  int32(slot: number, absent = 0): number {
    const place = this.place(slot);
    return place === 0 ? absent : this.bytes.getInt32(place, true);
  }

  int64(slot: number, absent = 0): number {
    const place = this.place(slot);
    return place === 0 ? absent : int64At(this.bytes, place);
  }

  /** @param most bytes that it may have: tables may share one text. */
  text(slot: number, most: number): string {
    const { begin, length } = this.vector(slot, 1, most);
    return new TextDecoder().decode(new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + begin, length));
  }

  table(slot: number): FlatTable | undefined {
    const place = this.place(slot);
    return place === 0 ? undefined : this.pointedAt(place);
  }

  /** @param most tables that there may be. */
  tables(slot: number, most: number): FlatTable[] {
    const { begin, length } = this.vector(slot, 4, most);
    return Array.from({ length }, (_, i) => this.pointedAt(begin + 4 * i));
  }

  /** Structs of `size` bytes each, `most` of them. */
  structs(slot: number, size: number, most = Infinity): FlatStructs {
    const { begin, length } = this.vector(slot, size, most);
    return new FlatStructs(this.bytes, begin, length, size);
  }

  private pointedAt(place: number): FlatTable {
    return new FlatTable(this.bytes, place + this.bytes.getUint32(place, true));
  }

  private vector(slot: number, size: number, most: number): { begin: number; length: number } {
    const place = this.place(slot);
    if (place === 0) return { begin: 0, length: 0 };
    const counted = place + this.bytes.getUint32(place, true);
    const length = this.bytes.getUint32(counted, true);
    const begin = counted + 4;
    if (length > most || begin + length * size > this.bytes.byteLength) {
      throw new BrokenFlatBuffer(`${length} elements of ${size} bytes, from byte ${begin} on`);
    }
    return { begin, length };
  }

  /** Where a field is, 0 if it is absent. */
  private place(slot: number): number {
    const fields = this.at - this.bytes.getInt32(this.at, true);
    const entry = 4 + 2 * slot;
    if (entry >= this.bytes.getUint16(fields, true)) return 0;
    const offset = this.bytes.getUint16(fields + entry, true);
    return offset === 0 ? 0 : this.at + offset;
  }
}

/** A vector of structs, whose numbers are addressed by their place in a struct. */
export class FlatStructs {
  constructor(
    private readonly bytes: DataView,
    private readonly begin: number,
    readonly length: number,
    private readonly size: number,
  ) {}

  int32(index: number, place: number): number {
    return this.bytes.getInt32(this.begin + index * this.size + place, true);
  }

  int64(index: number, place: number): number {
    return int64At(this.bytes, this.begin + index * this.size + place);
  }
}

function int64At(bytes: DataView, at: number): number {
  const value = bytes.getInt32(at + 4, true) * 2 ** 32 + bytes.getUint32(at, true);
  if (!Number.isSafeInteger(value)) throw new BrokenFlatBuffer(`a number of ${value} at ${at}`);
  return value;
}
