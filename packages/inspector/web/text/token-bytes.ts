/** Bytes of tokens that hold parts of characters. */

/** A stretch of bytes: characters, or bytes of characters that are not whole. */
export interface ByteStretch {
  kind: 'text' | 'bytes';
  /** The characters, or the bytes as `E2 82`. */
  text: string;
  /** Place of the first byte, and of the byte behind the last. */
  from: number;
  to: number;
}

/** Bytes of one token that are taken. */
const MAX_BYTES = 1024;
const HEX = new RegExp(`^(?:[0-9a-f]{2}){1,${MAX_BYTES}}$`, 'i');

/** Bytes by id out of a vocabulary. What is no id or no bytes is left out. */
export function bytesById(hex: unknown): ReadonlyMap<number, Uint8Array> {
  const entries =
    typeof hex === 'object' && hex !== null ? Object.entries(hex as Record<string, unknown>) : [];
  return new Map(
    entries.flatMap(([id, text]) =>
      /^\d{1,9}$/.test(id) && typeof text === 'string' && HEX.test(text)
        ? [[Number(id), Uint8Array.from(text.match(/../g)!, (byte) => parseInt(byte, 16))] as const]
        : [],
    ),
  );
}

/** Bytes of several tokens one behind the other. */
export function joinedBytes(lists: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(lists.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const bytes of lists) {
    all.set(bytes, at);
    at += bytes.length;
  }
  return all;
}

/** The whole characters of UTF-8, and the bytes that are of none, one by one in order. */
export function byteCharacters(bytes: Uint8Array): ByteStretch[] {
  const all: ByteStretch[] = [];
  for (let from = 0; from < bytes.length;) {
    const character = characterAt(bytes, from);
    const to = from + (character?.length ?? 1);
    const hex = bytes[from]!.toString(16).toUpperCase().padStart(2, '0');
    all.push({ kind: character === undefined ? 'bytes' : 'text', text: character?.text ?? hex, from, to });
    from = to;
  }
  return all;
}

/** As {@link byteCharacters}, with neighbours of a kind as one. */
export function byteStretches(bytes: Uint8Array): ByteStretch[] {
  const stretches: ByteStretch[] = [];
  for (const one of byteCharacters(bytes)) {
    const last = stretches.at(-1);
    if (last?.kind !== one.kind) {
      stretches.push({ ...one });
      continue;
    }
    last.text += one.kind === 'text' ? one.text : ` ${one.text}`;
    last.to = one.to;
  }
  return stretches;
}

/** The character that begins at a place, if it is whole. */
function characterAt(bytes: Uint8Array, from: number): { text: string; length: number } | undefined {
  const lead = bytes[from]!;
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (from + length > bytes.length) return undefined;
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return { text: decoder.decode(bytes.subarray(from, from + length)), length };
  } catch {
    return undefined;
  }
}
