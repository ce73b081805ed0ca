/**
 * Which pair had some ids first. Ids are known by 128 bits of their SHA-256, so that nobody can make two lists count as one. Memory: 16
 * bytes a pair and a hash table of 8 to 16, all in typed arrays.
 */
import { createHash } from 'node:crypto';

const WORDS = 4;
const EMPTY = -1;

/** 128 bits of the SHA-256 of some lists of ids, each with its length before it. */
export function idsDigest(...lists: readonly Int32Array[]): Uint32Array {
  const hash = createHash('sha256');
  for (const list of lists) {
    hash.update(Int32Array.of(list.length));
    hash.update(new Uint8Array(list.buffer, list.byteOffset, list.byteLength));
  }
  const bytes = hash.digest();
  return Uint32Array.from({ length: WORDS }, (_, i) => bytes.readUInt32LE(4 * i));
}

export class FirstOccurrences {
  private readonly digests: Uint32Array;
  /** Open addressing: the number of an entry, or {@link EMPTY}. */
  private readonly table: Int32Array;
  private readonly pairs: Int32Array;
  private entries = 0;

  /** @param most digests that will be added. */
  constructor(most: number) {
    this.digests = new Uint32Array(WORDS * most);
    this.pairs = new Int32Array(most);
    this.table = new Int32Array(2 ** Math.ceil(Math.log2(2 * most + 2))).fill(EMPTY);
  }

  /** The pair that had these ids first, if one had. */
  find(digest: Uint32Array): number | undefined {
    const entry = this.table[this.place(digest)]!;
    return entry === EMPTY ? undefined : this.pairs[entry]!;
  }

  /** Notes a pair's ids. Returns the earlier pair that had them, if one had; then nothing is noted. */
  add(digest: Uint32Array, pair: number): number | undefined {
    const place = this.place(digest);
    const entry = this.table[place]!;
    if (entry !== EMPTY) return this.pairs[entry]!;
    this.table[place] = this.entries;
    this.digests.set(digest, WORDS * this.entries);
    this.pairs[this.entries++] = pair;
    return undefined;
  }

  /** Where a digest is in the table, or where it would be. */
  private place(digest: Uint32Array): number {
    const mask = this.table.length - 1;
    for (let place = digest[0]! & mask; ; place = (place + 1) & mask) {
      const entry = this.table[place]!;
      if (entry === EMPTY || this.holds(entry, digest)) return place;
    }
  }

  private holds(entry: number, digest: Uint32Array): boolean {
    for (let i = 0; i < WORDS; i++) if (this.digests[WORDS * entry + i] !== digest[i]) return false;
    return true;
  }
}
