/**
 * What packed bytes may unpack to. A few bytes of gzip, Zstandard or Brotli can stand for gigabytes, and a decoder makes them
 * before anybody sees the result; so what it will make is reckoned first.
 */

/** Unpacked bytes that are held at one time, of a file of `bytes`: texts pack to a tenth of their size, hardly to less than a 64th. */
export function maxUnpackedBytes(bytes: number): number {
  return 256 * 1024 ** 2 + 64 * bytes;
}

/** What is left to unpack to. */
export class UnpackingBudget {
  private left: number;

  constructor(private readonly most: number) {
    this.left = most;
  }

  /** From here on what was unpacked before is no longer held. */
  renew(): void {
    this.left = this.most;
  }

  /** @throws Error where more is asked for than is left. */
  take(bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new Error(`${bytes} unpacked bytes`);
    this.left -= bytes;
    if (this.left < 0) throw new Error(`more than ${this.most} unpacked bytes`);
  }
}

const ZSTD_MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a5;
/** A packed block unpacks to this at most (RFC 8878, 3.1.1.2.4). */
const ZSTD_BLOCK_BYTES = 1 << 17;

/**
 * Most bytes that Zstandard frames unpack to, from the headers of their frames and blocks alone, and what decoding them takes
 * beside (the window). Source: RFC 8878, 3.1.
 * @throws Error for bytes that are no frames.
 */
export function zstdBound(packed: Uint8Array): number {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let total = 0;
  for (let at = 0; at < packed.length;) {
    const magic = view.getUint32(at, true);
    if (magic >>> 4 === SKIPPABLE) {
      at += 8 + view.getUint32(at + 4, true);
      continue;
    }
    if (magic !== ZSTD_MAGIC) throw new Error('no Zstandard frame where one begins');
    const head = zstdFrameHead(view, at + 4);
    at = head.end;
    let blocks = 0;
    for (let last = false; !last;) {
      const block = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
      const [kind, size] = [(block >> 1) & 3, block >> 3];
      last = (block & 1) === 1;
      blocks += kind === 2 ? ZSTD_BLOCK_BYTES : size;
      at += 3 + (kind === 1 ? 1 : size);
    }
    // A frame of one segment is unpacked into the room that it states, any other by window and blocks.
    total += head.held + (head.single ? 0 : blocks);
    if (head.checksum) at += 4;
  }
  return total;
}

/** Of a frame: what its window or stated content takes, and the byte behind its header. */
function zstdFrameHead(
  view: DataView,
  at: number,
): { held: number; end: number; single: boolean; checksum: boolean } {
  const descriptor = view.getUint8(at);
  const single = (descriptor & 32) !== 0;
  const sizeCode = descriptor >> 6;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][sizeCode]!;
  const sizeAt = at + 1 + (single ? 0 : 1) + dictionaryBytes;
  let held: number;
  if (!single) {
    const window = view.getUint8(at + 1);
    held = 2 ** (10 + (window >> 3)) * (1 + (window & 7) / 8);
  } else if (sizeBytes === 1) held = view.getUint8(sizeAt);
  else if (sizeBytes === 2) held = view.getUint16(sizeAt, true) + 256;
  else if (sizeBytes === 4) held = view.getUint32(sizeAt, true);
  else held = Number(view.getBigUint64(sizeAt, true));
  return { held, single, end: sizeAt + sizeBytes, checksum: (descriptor & 4) !== 0 };
}
