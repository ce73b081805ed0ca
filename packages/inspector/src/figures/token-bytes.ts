/** The bytes of tokens that hold parts of characters, out of their vocabulary entries. */

/**
 * The byte that each letter of a byte-level vocabulary stands for: printable ones for themselves, all others in their order for U+0100 on
 * (`bytes_to_unicode` of GPT-2's encoder).
 */
const BYTE_OF_LETTER: ReadonlyMap<string, number> = byteLetters();

function byteLetters(): Map<string, number> {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return new Map(
    Array.from({ length: 256 }, (_, byte) => [String.fromCharCode(isPrintable(byte) ? byte : next++), byte]),
  );
}

/**
 * The bytes of a token that is no whole text by itself.
 * @param entry of the vocabulary: letters of the byte-level alphabet, or `<0xE2>` as SentencePiece writes a byte.
 * @param text that the tokenizer gives for it, with U+FFFD for parts of characters.
 * @returns undefined for whole texts, and where the bytes do not read as that text.
 */
export function partialBytes(entry: string, text: string): Uint8Array | undefined {
  if (!text.includes('\uFFFD')) return undefined;
  const single = /^<0x([0-9A-F]{2})>$/i.exec(entry)?.[1];
  const values =
    single === undefined ? Array.from(entry, (letter) => BYTE_OF_LETTER.get(letter)) : [parseInt(single, 16)];
  if (values.includes(undefined)) return undefined;
  const bytes = Uint8Array.from(values as number[]);
  // U+FFFD itself is a whole character.
  return isText(bytes) || new TextDecoder().decode(bytes) !== text ? undefined : bytes;
}

function isText(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
