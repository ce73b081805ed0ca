/** Which pairs repeat earlier ones, and what they share with them. */
import type { TokenizedPair } from '@selective-dpo/foundation';
import type { RepeatFigures, PairColumns } from '../site-contract.js';
import { FirstOccurrences, idsDigest } from './first-occurrences.js';
import { NearDuplicates } from './near-duplicates.js';

/** The earlier pair that a pair repeats. */
export interface Repetition {
  of: number;
  kind: NonNullable<PairColumns['duplicate_kind']>;
}

/**
 * Takes the pairs in the order of the cache. Each is counted in every figure that it meets; the figure of nearly identical pairs leaves
 * those out that repeat a pair exactly or with its answers swapped. Memory: see {@link FirstOccurrences} (twice) and {@link NearDuplicates},
 * some 350 to 450 bytes a pair.
 */
export class DuplicateFinder {
  private readonly prompts: FirstOccurrences;
  private readonly wholes: FirstOccurrences;
  private readonly near: NearDuplicates;
  private readonly counts = {
    ...{ identicalPairs: 0, identicalPrompts: 0, swappedPairs: 0, nearIdenticalPairs: 0 },
  };

  /** @param pairs how many there are at most. */
  constructor(pairs: number) {
    this.prompts = new FirstOccurrences(pairs);
    this.wholes = new FirstOccurrences(pairs);
    this.near = new NearDuplicates(pairs);
  }

  /**
   * The next pair. Of several repetitions the first of these is told: `pair`, `swapped`, `near`, `prompt`.
   * @param index its place in the cache; they ascend.
   */
  add(index: number, { promptIds, chosenIds, rejectedIds }: TokenizedPair): Repetition | undefined {
    const swapped = this.wholes.find(idsDigest(promptIds, rejectedIds, chosenIds));
    const identical = this.wholes.add(idsDigest(promptIds, chosenIds, rejectedIds), index);
    const samePrompt = this.prompts.add(idsDigest(promptIds), index);
    const near = this.near.add(index, [promptIds, chosenIds, rejectedIds]);
    if (identical !== undefined) this.counts.identicalPairs++;
    if (samePrompt !== undefined) this.counts.identicalPrompts++;
    if (swapped !== undefined) this.counts.swappedPairs++;
    if (identical !== undefined) return { of: identical, kind: 'pair' };
    if (swapped !== undefined) return { of: swapped, kind: 'swapped' };
    if (near !== undefined) {
      this.counts.nearIdenticalPairs++;
      return { of: near, kind: 'near' };
    }
    return samePrompt === undefined ? undefined : { of: samePrompt, kind: 'prompt' };
  }

  figures(): RepeatFigures {
    return { ...this.counts };
  }
}
