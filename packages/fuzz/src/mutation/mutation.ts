/** Ways to damage an input. All are seeded: the same numbers give the same bytes. */
import type { SeededRandom } from '@selective-dpo/foundation';

/** @param pool the valid inputs, for those that splice. */
export type Mutation = (input: Buffer, random: SeededRandom, pool: readonly Buffer[]) => Buffer;

/** Mutations applied to one input at most. */
const MOST_AT_ONCE = 4;
/** Larger than this nothing grows: what is looked for is shown by less. */
const MAX_BYTES = 4 << 20;

/** One of a list. */
export function pick<T>(list: readonly T[], random: SeededRandom): T {
  return list[random.below(list.length)]!;
}

/** A valid input with one to four mutations, fewer more often. */
export function mutated(
  pool: readonly Buffer[],
  mutations: readonly Mutation[],
  random: SeededRandom,
): Buffer {
  let input = pick(pool, random);
  for (let i = 0; i < MOST_AT_ONCE; i++) {
    const output = pick(mutations, random)(input, random, pool);
    if (output.length <= MAX_BYTES) input = output;
    if (random.below(2) === 0) break;
  }
  return input;
}

/** One mutation out of several, each as likely as the others. */
export function anyOf(mutations: readonly Mutation[]): Mutation {
  return (input, random, pool) => pick(mutations, random)(input, random, pool);
}
