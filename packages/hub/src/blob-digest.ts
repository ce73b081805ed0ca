/** Digests by which a repository names its files. */
import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { RepositoryFile } from './repository-file.js';

/** Files up to this size are read through before they are used from the cache; of larger ones the size must do. */
export const READ_THROUGH_BYTES = 64 << 20;

const PIECE_BYTES = 1 << 20;

/**
 * A hash that ends in `file.digest` where it is given the file's bytes: SHA-256 of 64 digits, or Git's SHA-1 of 40 over
 * `blob SIZE\0` and the bytes (Git's object format).
 */
export function blobHash({ bytes, digest }: Pick<RepositoryFile, 'bytes' | 'digest'>): Hash {
  return digest.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
}

/** {@link blobHash} over the first bytes of an open file, in pieces. @param upTo how many; the file has as many. */
export async function hashOfStart(
  handle: FileHandle,
  file: Pick<RepositoryFile, 'bytes' | 'digest'>,
  upTo: number,
): Promise<Hash> {
  const hash = blobHash(file);
  const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, Math.max(upTo, 1)));
  for (let at = 0; at < upTo;) {
    const { bytesRead } = await handle.read(piece, 0, Math.min(piece.length, upTo - at), at);
    if (bytesRead === 0) break;
    hash.update(piece.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash;
}
