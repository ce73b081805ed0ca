/** SHA-256 of bytes, files and values, as lower-case hexadecimal. */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { explainSystemError } from './errors.js';
import { openRegularFile } from './regular-file.js';

/** SHA-256 of a block of bytes or of a text's UTF-8. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Bytes of a file read at one time for its digest. */
const PIECE_BYTES = 1 << 18;
/** Blocks that are kept for the next digests. */
const MOST_PIECES = 8;
const pieces: Buffer[] = [];

/**
 * SHA-256 of a file, read in pieces: memory does not grow with its size.
 * @throws InputError `file-not-found`, `no-permission`, …
 */
export async function sha256OfFile(path: string): Promise<string> {
  const { handle } = await openRegularFile(path);
  try {
    return await sha256OfHandle(handle, path);
  } finally {
    await handle.close();
  }
}

/**
 * SHA-256 of an open file from its first byte on, as {@link sha256OfFile}; its place for reading stays as it is.
 * @param path named in errors.
 */
export async function sha256OfHandle(handle: FileHandle, path: string): Promise<string> {
  const hash = createHash('sha256');
  // Memory that is new costs more time than reading into it.
  const piece = pieces.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
  try {
    for (let at = 0; ;) {
      const { bytesRead } = await handle.read(piece, 0, PIECE_BYTES, at);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, bytesRead));
      at += bytesRead;
    }
  } catch (error) {
    throw explainSystemError(error, path);
  } finally {
    if (pieces.length < MOST_PIECES) pieces.push(piece);
  }
}

/** JSON with sorted keys and no spaces: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}
