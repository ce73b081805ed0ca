/**
 * The small JSON files that a cache stands on while it grows. What they say is taken over into the manifest, so each carries its own
 * digest and has exactly one serialisation: a single flipped bit in it is seen.
 */
import {
  type InputError,
  canonicalJson,
  explainSystemError,
  parseShallowJson,
  readRegularFile,
  sha256,
} from '@selective-dpo/foundation';
import { damagedCache } from './manifest.js';

/** They are a few hundred bytes long; nothing larger was written by this program. */
const MAX_HELPER_BYTES = 1 << 20;

/** The file's text: the value, its digest last. @param value without a key `digest`. */
export function sealedText(value: object): string {
  return `${JSON.stringify({ ...value, digest: sha256(canonicalJson(value)) })}\n`;
}

/** What was sealed, of any form. @throws InputError `cache-damaged`, `file-not-found`, `not-a-file`, … */
export async function readSealed(file: string): Promise<unknown> {
  let text: string;
  let value: unknown;
  try {
    text = (await readRegularFile(file, MAX_HELPER_BYTES)).toString('utf8');
    value = parseShallowJson(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw damagedHelper(file, error.message);
    throw explainSystemError(error, file);
  }
  if (value === null || typeof value !== 'object') throw damagedHelper(file, 'another value');
  const { digest, ...content } = value as { digest?: unknown };
  if (typeof digest !== 'string' || sealedText(content) !== text) throw damagedHelper(file, 'other content');
  return content;
}

function damagedHelper(file: string, found: string): InputError {
  return damagedCache(file, found, 'what was written while the cache grew');
}
