/** Small JSON files of a model directory, read whole after their size is checked. */
import { InputError, parseShallowJson, quoteValue, readRegularFile } from '@selective-dpo/foundation';

/** Largest tokenizer file read: those of 260,000-token vocabularies have about 35 MB. */
export const MAX_TOKENIZER_FILE_BYTES = 256 * 1024 * 1024;

/**
 * The text of a file, or undefined if there is none.
 * @throws InputError `file-too-large`, `not-a-file`, `not-utf8`, or the file system's other than not-found.
 */
export async function readTextIfPresent(path: string): Promise<string | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readRegularFile(path, MAX_TOKENIZER_FILE_BYTES);
  } catch (error) {
    if (error instanceof InputError && ['file-not-found', 'not-a-folder'].includes(error.code))
      return undefined;
    throw error;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError('not-utf8', 'the text is not valid UTF-8', { file: path });
  }
}

/**
 * The object in a JSON file, or undefined if there is no such file.
 * @throws InputError `json-broken`, `json-not-object`, and those of {@link readTextIfPresent}.
 */
export async function readJsonIfPresent(path: string): Promise<Record<string, unknown> | undefined> {
  const text = await readTextIfPresent(path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = parseShallowJson(text);
  } catch (error) {
    throw new InputError('json-broken', 'the file is not valid JSON', {
      file: path,
      found: (error as Error).message,
      hint: 'download the file again',
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InputError('json-not-object', 'the file holds no JSON object', {
      file: path,
      found: quoteValue(value),
      expected: 'an object',
    });
  }
  return value as Record<string, unknown>;
}
