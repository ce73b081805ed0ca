/**
 * Pairs that are nearly alike, found without comparing each with each.
 *
 * A pair is the set of its shingles: runs of {@link SHINGLE} ids inside its prompt, inside its chosen and inside its rejected answer (a
 * list that is shorter is one shingle). Two pairs are as similar as J = |A ∩ B| / |A ∪ B| (Jaccard). MinHash (Broder, "On the resemblance
 * and containment of documents", 1997): under a random order of all shingles the smallest of A and of B are the same with
 * probability J. An order is a permutation a · x + b mod 2³² of well mixed 32-bit shingles. Of each of {@link HASHES} orders 8 bits
 * are kept (b-bit minwise hashing, arXiv 0910.3349), so with a share E of equal
 * bytes the estimate is (E − 2⁻⁸) / (1 − 2⁻⁸); at J = 0.8 its standard deviation is 0.036.
 *
 * Candidates come from locality-sensitive hashing (Indyk and Motwani 1998): {@link BANDS} tables, each by {@link ROWS} of the full hashes.
 * A pair of J = 0.8 meets the other in at least one table with probability 1 − (1 − 0.8⁶)²¹ = 0.998. At most {@link MAX_COMPARED}
 * pairs are compared with a new one, the latest of each table first, so that many pairs from one template cost no quadratic time.
 * Memory: 126 bytes of signature, 21 · 4 of chains, 21 · 4 to 8 of tables and 4 more, some 300 to 380 bytes a pair.
 */
import { SeededRandom } from '@selective-dpo/foundation';

export const SHINGLE = 5;
export const NEAR_SIMILARITY = 0.8;
const [BANDS, ROWS] = [21, 6] as const;
const HASHES = BANDS * ROWS;
const MAX_COMPARED = 256;
const SEED = 5;
const NONE = -1;

/** Word by word as MurmurHash3's 32-bit finaliser (public domain, Austin Appleby) mixes. */
function mixed(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** 32 bits of every shingle of a list, handed to `take`. */
function shinglesOf(ids: Int32Array, take: (shingle: number) => void): void {
  const width = Math.min(SHINGLE, ids.length);
  for (let begin = 0; begin + width <= ids.length; begin++) {
    let h = width;
    for (let t = begin; t < begin + width; t++) h = mixed(Math.imul(h, 31) + ids[t]!);
    take(h);
  }
}

export class NearDuplicates {
  private readonly signatures: Uint8Array;
  /** [band][bucket] the latest pair, and [band][pair] the one before it in the same bucket. */
  private readonly latest: Int32Array[];
  private readonly before: Int32Array[];
  /** The new pair that an earlier one was last compared with. */
  private readonly comparedWith: Int32Array;
  private readonly smallest = new Uint32Array(HASHES);
  private readonly offsets = new Int32Array(HASHES);
  private readonly factors = new Int32Array(HASHES);
  private readonly buckets: number;

  /** @param pairs how many there are at most. */
  constructor(pairs: number) {
    this.signatures = new Uint8Array(HASHES * pairs);
    this.buckets = 2 ** Math.ceil(Math.log2(pairs + 1));
    this.latest = Array.from({ length: BANDS }, () => new Int32Array(this.buckets).fill(NONE));
    this.before = Array.from({ length: BANDS }, () => new Int32Array(pairs));
    this.comparedWith = new Int32Array(pairs).fill(NONE);
    const random = new SeededRandom(SEED);
    for (let j = 0; j < HASHES; j++) {
      this.offsets[j] = random.below(2 ** 32);
      this.factors[j] = random.below(2 ** 32) | 1;
    }
  }

  /**
   * Notes pair `index`, and looks for the earlier one most like it.
   * @returns the earliest pair of the highest estimate of at least {@link NEAR_SIMILARITY}, if there is one.
   */
  add(index: number, lists: readonly Int32Array[]): number | undefined {
    this.smallest.fill(0xffffffff);
    for (const list of lists) shinglesOf(list, (shingle) => this.lower(shingle));
    this.signatures.set(this.smallest, HASHES * index);
    let [best, bestEqual, compared] = [NONE, 0, 0];
    for (let band = 0; band < BANDS; band++) {
      const bucket = this.bucketOf(band);
      const [latest, before] = [this.latest[band]!, this.before[band]!];
      for (let other = latest[bucket]!; other !== NONE && compared < MAX_COMPARED; other = before[other]!) {
        if (this.comparedWith[other] === index) continue;
        this.comparedWith[other] = index;
        compared++;
        const equal = this.equalBytes(index, other);
        if (equal > bestEqual || (equal === bestEqual && other < best)) [best, bestEqual] = [other, equal];
      }
      before[index] = latest[bucket]!;
      latest[bucket] = index;
    }
    const estimate = (bestEqual / HASHES - 2 ** -8) / (1 - 2 ** -8);
    return estimate >= NEAR_SIMILARITY ? best : undefined;
  }

  /** Takes a shingle into the smallest of every order. */
  private lower(shingle: number): void {
    const { smallest, factors, offsets } = this;
    for (let j = 0; j < HASHES; j++) {
      const h = (Math.imul(shingle, factors[j]!) + offsets[j]!) >>> 0;
      if (h < smallest[j]!) smallest[j] = h;
    }
  }

  private bucketOf(band: number): number {
    let h = band;
    for (let j = ROWS * band; j < ROWS * (band + 1); j++) h = mixed(Math.imul(h, 31) + this.smallest[j]!);
    return h & (this.buckets - 1);
  }

  private equalBytes(a: number, b: number): number {
    const { signatures } = this;
    let equal = 0;
    for (let j = 0; j < HASHES; j++) {
      if (signatures[HASHES * a + j] === signatures[HASHES * b + j]) equal++;
    }
    return equal;
  }
}
