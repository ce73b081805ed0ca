/** One fault in the bytes of a file: a bit that flipped, or an end that is missing. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import type { SeededRandom } from '@selective-dpo/foundation';

export type Damage = { flip: { byte: number; bit: number } } | { cut: { length: number } };

export type DamageKind = 'flips' | 'cuts';

/** A fault in a file of `size` bytes, at least 1. */
export function randomDamage(kind: DamageKind, size: number, random: SeededRandom): Damage {
  return kind === 'flips'
    ? { flip: { byte: random.below(size), bit: random.below(8) } }
    : { cut: { length: random.below(size) } };
}

/** Damages a file in place. @returns what mends it. */
export function damageFile(path: string, damage: Damage): () => void {
  if ('flip' in damage) {
    flipBit(path, damage.flip);
    return () => flipBit(path, damage.flip);
  }
  const { length } = damage.cut;
  const descriptor = openSync(path, 'r+');
  try {
    const tail = Buffer.alloc(fstatSync(descriptor).size - length);
    readSync(descriptor, tail, 0, tail.length, length);
    ftruncateSync(descriptor, length);
    return () => append(path, tail, length);
  } finally {
    closeSync(descriptor);
  }
}

function flipBit(path: string, { byte, bit }: { byte: number; bit: number }): void {
  const descriptor = openSync(path, 'r+');
  try {
    const one = Buffer.alloc(1);
    readSync(descriptor, one, 0, 1, byte);
    one[0]! ^= 1 << bit;
    writeSync(descriptor, one, 0, 1, byte);
  } finally {
    closeSync(descriptor);
  }
}

function append(path: string, tail: Buffer, at: number): void {
  const descriptor = openSync(path, 'r+');
  try {
    writeSync(descriptor, tail, 0, tail.length, at);
  } finally {
    closeSync(descriptor);
  }
}
