import { SeededRandom, mixSeeds } from '@selective-dpo/foundation';
import { mutated } from '../mutation/mutation.js';
import type { FuzzTarget } from './target.js';

/** The input of one case: the same for the same target, seed and number. */
export function inputOfCase(
  { name, mutations }: FuzzTarget,
  seeds: readonly Buffer[],
  seed: number,
  index: number,
): Buffer {
  const letters = [...name].map((character) => character.charCodeAt(0));
  return mutated(seeds, mutations, new SeededRandom(mixSeeds(seed, ...letters, index)));
}
