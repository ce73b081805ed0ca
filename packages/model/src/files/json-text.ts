/**
 * JSON from files nobody has checked. `JSON.parse` alone keeps the last of two equal keys without a word, so two
 * programs can read two different models out of one file; here a repeated key is an error, and so is deep nesting.
 */
import { InputError, quoteValue, readRegularFile } from '@selective-dpo/foundation';

/** Objects and arrays inside one another; the files read here need four. */
const MAX_DEPTH = 16;

/** A value as JSON holds it. Read objects with `Object.entries` or `Object.hasOwn`: `__proto__` is an ordinary key. */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}

/** Whether a JSON value is an object (not null, not an array). */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Parses JSON bytes strictly.
 * @throws InputError `invalid-json`: not UTF-8, not JSON, nested deeper than 16, a key twice in one object, or text
 *   with half a surrogate pair.
 */
export function parseJsonBytes(bytes: Uint8Array, file: string): JsonValue {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalidJson(file, 'the text is not UTF-8', { expected: 'JSON in UTF-8' });
  }
  const { repeatedKey } = scanStructure(text, file);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw explainSyntaxError(error as Error, text, file);
  }
  if (repeatedKey !== undefined) {
    throw invalidJson(file, 'a key appears twice in one object', {
      field: quoteValue(repeatedKey),
      expected: 'every key once',
    });
  }
  if (/\\u[dD][89a-fA-F]/.test(text)) refuseHalfPairs(value, file);
  return value;
}

/**
 * Reads and parses a JSON file of at most `maxBytes` bytes.
 * @throws InputError `file-not-found`, `not-a-file`, `file-too-large`, `invalid-json`, …
 */
export async function readJsonFile(path: string, maxBytes: number): Promise<JsonValue> {
  return parseJsonBytes(await readRegularFile(path, maxBytes), path);
}

/**
 * One pass over text that may be anything: refuses deep nesting before anything recursive sees the value, and
 * remembers the first key that stands twice in one object (meaningful only if the text then parses).
 */
function scanStructure(text: string, file: string): { repeatedKey: string | undefined } {
  const open: (Set<string> | undefined)[] = [];
  let keyIsNext = false;
  let repeatedKey: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"') {
      const end = endOfString(text, i);
      const keys = open.at(-1);
      if (keyIsNext && keys !== undefined) {
        const key = decodeString(text.slice(i, end + 1));
        if (keys.has(key)) repeatedKey ??= key;
        keys.add(key);
      }
      keyIsNext = false;
      i = end;
    } else if (c === '{' || c === '[') {
      if (open.length === MAX_DEPTH) {
        throw invalidJson(file, 'the JSON is nested too deeply', { expected: `at most ${MAX_DEPTH} levels` });
      }
      open.push(c === '{' ? new Set() : undefined);
      keyIsNext = c === '{';
    } else if (c === '}' || c === ']') {
      open.pop();
      keyIsNext = false;
    } else if (c === ',') {
      keyIsNext = open.at(-1) !== undefined;
    }
  }
  return { repeatedKey };
}

/** Index of the quote that ends the string starting at `start`, or the last index of the text. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x5c) i++;
    else if (c === 0x22) return i;
  }
  return text.length - 1;
}

/** The text a JSON string stands for, so that `"a"` and `"\u0061"` count as one key. */
function decodeString(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return JSON.parse(literal) as string;
  } catch {
    return literal;
  }
}

function refuseHalfPairs(value: JsonValue, file: string): void {
  if (typeof value === 'string') {
    if (/\p{Surrogate}/u.test(value)) {
      throw invalidJson(file, 'a text holds half a surrogate pair', { found: quoteValue(value) });
    }
  } else if (Array.isArray(value)) {
    for (const inner of value) refuseHalfPairs(inner, file);
  } else if (isJsonObject(value)) {
    for (const [key, inner] of Object.entries(value)) {
      refuseHalfPairs(key, file);
      refuseHalfPairs(inner, file);
    }
  }
}

function explainSyntaxError(error: Error, text: string, file: string): InputError {
  const position = /position (\d+)/.exec(error.message)?.[1];
  const line = position === undefined ? undefined : text.slice(0, Number(position)).split('\n').length;
  return invalidJson(file, 'the text is not JSON', {
    ...(line === undefined ? {} : { line }),
    found: quoteValue(error.message),
  });
}

function invalidJson(file: string, message: string, details: Record<string, string | number>): InputError {
  return new InputError('invalid-json', message, {
    file,
    ...details,
    hint: 'fetch the file again, it may be damaged or cut off',
  });
}
