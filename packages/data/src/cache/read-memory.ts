/**
 * Memory that single record batches are read into, one after the other: memory that is new for each of them would cost more
 * time than reading, and grow until the collector comes by.
 */

/** Blocks are made in multiples of this, so that they fit batches of like length. */
const BLOCK_BYTES = 1 << 16;

export class ReadMemory {
  private free: ArrayBuffer[] = [];
  private bytes = 0;

  /** @param maxBytes kept for later at most. */
  constructor(private readonly maxBytes: number) {}

  /** `length` bytes of any content, until they are given back. */
  take(length: number): Uint8Array<ArrayBuffer> {
    const at = this.free.findIndex(({ byteLength }) => byteLength >= length);
    if (at < 0)
      return new Uint8Array(new ArrayBuffer(Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES), 0, length);
    const [block] = this.free.splice(at, 1);
    this.bytes -= block!.byteLength;
    return new Uint8Array(block!, 0, length);
  }

  /** Nobody may use them any more. */
  giveBack({ buffer }: Uint8Array<ArrayBuffer>): void {
    this.free.push(buffer);
    this.bytes += buffer.byteLength;
    while (this.bytes > this.maxBytes) this.bytes -= this.free.shift()!.byteLength;
  }
}
