/** SHA-256 of bytes, files and values, as lower-case hexadecimal. */
import { createHash } from 'node:crypto';
import { explainSystemError } from './errors.js';
import { openRegularFile } from './regular-file.js';

/** SHA-256 of a block of bytes or of a text's UTF-8. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/**
 * SHA-256 of a file, read in pieces: memory does not grow with its size.
 * @throws InputError `file-not-found`, `no-permission`, …
 */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  const { handle } = await openRegularFile(path);
  try {
    for await (const piece of handle.createReadStream({ highWaterMark: 1 << 20 })) {
      hash.update(piece as Buffer);
    }
  } catch (error) {
    throw explainSystemError(error, path);
  } finally {
    await handle.close();
  }
  return hash.digest('hex');
}

/** JSON with sorted keys and no spaces: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}
