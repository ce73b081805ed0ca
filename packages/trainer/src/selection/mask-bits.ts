/** Masks of kept tokens as bits: the chosen response's tokens, then the rejected one's, the lowest bit of a byte first. */
import type { PairMask } from '../loss/preference-loss.js';

/** Bytes that the mask of so many tokens takes. */
export function maskBytes(tokens: number): number {
  return Math.ceil(tokens / 8);
}

/** Chosen [C], rejected [R] → ⌈(C + R) / 8⌉ bytes. */
export function packMask({ chosen, rejected }: PairMask): Uint8Array {
  const bits = new Uint8Array(maskBytes(chosen.length + rejected.length));
  const set = (place: number): void => {
    bits[place >> 3]! |= 1 << (place & 7);
  };
  chosen.forEach((kept, t) => kept === 1 && set(t));
  rejected.forEach((kept, t) => kept === 1 && set(chosen.length + t));
  return bits;
}

/** The inverse of {@link packMask}. */
export function unpackMask(bits: Uint8Array, chosenTokens: number, rejectedTokens: number): PairMask {
  const take = (begin: number, length: number) =>
    Uint8Array.from({ length }, (_, t) => (bits[(begin + t) >> 3]! >> ((begin + t) & 7)) & 1);
  return { chosen: take(0, chosenTokens), rejected: take(chosenTokens, rejectedTokens) };
}
