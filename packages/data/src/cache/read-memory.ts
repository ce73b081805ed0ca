/**
 * Memory that single record batches are read into, one after the other: memory that is new for each of them would cost more
 * time than reading, and grow until the collector comes by.
 */

/** Blocks are made in multiples of this, so that they fit batches of like length. */
const BLOCK_BYTES = 1 << 16;

export interface ReadMemoryLimits {
  /** Bytes kept for later at most. */
  kept: number;
  /** Bytes in use at one time at most, but for one piece that is larger. */
  inUse: number;
}

export class ReadMemory {
  private free: ArrayBuffer[] = [];
  private freeBytes = 0;
  private usedBytes = 0;
  private readonly waiting: { length: number; go: () => void }[] = [];

  constructor(private readonly limits: ReadMemoryLimits) {}

  /** `length` bytes of any content, until they are given back. Who asks first is served first. */
  async take(length: number): Promise<Uint8Array<ArrayBuffer>> {
    await new Promise<void>((go) => {
      this.waiting.push({ length, go });
      this.serve();
    });
    try {
      return new Uint8Array(this.block(length), 0, length);
    } catch (error) {
      this.release(length);
      throw error;
    }
  }

  /** Nobody may use them any more. */
  giveBack({ buffer, length }: Uint8Array<ArrayBuffer>): void {
    this.free.push(buffer);
    this.freeBytes += buffer.byteLength;
    while (this.freeBytes > this.limits.kept) this.freeBytes -= this.free.shift()!.byteLength;
    this.release(length);
  }

  private release(length: number): void {
    this.usedBytes -= length;
    this.serve();
  }

  private serve(): void {
    for (let next; (next = this.waiting[0]) !== undefined; this.waiting.shift()) {
      if (this.usedBytes > 0 && this.usedBytes + next.length > this.limits.inUse) return;
      this.usedBytes += next.length;
      next.go();
    }
  }

  private block(length: number): ArrayBuffer {
    const at = this.free.findIndex(({ byteLength }) => byteLength >= length);
    if (at < 0) return new ArrayBuffer(Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES);
    const [block] = this.free.splice(at, 1);
    this.freeBytes -= block!.byteLength;
    return block!;
  }
}
