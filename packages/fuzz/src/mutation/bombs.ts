/** Few bytes that unpack to many, in several codecs. Each is made once. */
import { gzipSync } from 'node:zlib';

const made = new Map<string, Buffer>();

function once(name: string, make: () => Buffer): Buffer {
  const held = made.get(name) ?? make();
  made.set(name, held);
  return held;
}

const MEMBER_BYTES = 1 << 20;
/** Of zeros: what Parquet takes for levels and for texts of no characters. */
const zeros = (): Buffer => Buffer.alloc(MEMBER_BYTES);

/** Gzip: members of a MiB each, one behind the other (RFC 1952, 2.2). */
export function gzipBomb(bytes: number): Buffer {
  return once(`gzip ${bytes}`, () => {
    const member = gzipSync(zeros(), { level: 9 });
    return Buffer.concat(Array.from({ length: bytes / MEMBER_BYTES }, () => member));
  });
}

/** Zstandard: one frame of blocks that repeat a byte, 128 KiB in 4 bytes (RFC 8878, 3.1.1.2). */
export function zstdBomb(bytes: number): Buffer {
  return once(`zstd ${bytes}`, () => {
    const block = 1 << 17;
    const blocks = bytes / block;
    // Frame header: no content size, a window of 128 KiB.
    const head = Buffer.from('28b52ffd0038', 'hex');
    const body = Buffer.alloc(4 * blocks);
    for (let i = 0; i < blocks; i++) {
      body.writeUIntLE((block << 3) | (1 << 1) | (i === blocks - 1 ? 1 : 0), 4 * i, 3);
    }
    return Buffer.concat([head, body]);
  });
}

/** Snappy: a literal and copies of 64 bytes in 3 (its format description, section 2). */
export function snappyBomb(bytes: number): Buffer {
  return once(`snappy ${bytes}`, () => {
    const length: number[] = [];
    for (let rest = bytes; rest > 0; rest >>>= 7) length.push((rest & 127) | (rest > 127 ? 128 : 0));
    const copies = Math.ceil((bytes - 1) / 64);
    const body = Buffer.alloc(3 * copies);
    for (let i = 0; i < copies; i++) {
      const size = Math.min(64, bytes - 1 - 64 * i);
      body.set([((size - 1) << 2) | 2, 1, 0], 3 * i);
    }
    return Buffer.concat([Buffer.from([...length, 0, 0]), body]);
  });
}
