/** Orders and splits of a cache's rows. They depend on the number of rows and the seed, on nothing else. */
import { mixSeeds, permutation } from '@selective-dpo/foundation/random';

/** The order of epoch `epoch` (0-based): a permutation of 0 … rowCount − 1. */
export function epochOrder(rowCount: number, seed: number, epoch: number): Uint32Array {
  return permutation(rowCount, mixSeeds(0x0e90c4, seed, epoch));
}

/**
 * Two disjoint lists of rows, each ascending, that together hold every row once.
 * @param evalFraction share held out, in [0, 1): round-half-up(share · rows), at least 1 where the share is not 0.
 * @throws RangeError for another share.
 */
export function splitRows(
  rowCount: number,
  evalFraction: number,
  seed: number,
): { train: Uint32Array; eval: Uint32Array } {
  if (!(evalFraction >= 0 && evalFraction < 1)) {
    throw new RangeError(`evalFraction ${evalFraction} is not in [0, 1)`);
  }
  const held = evalFraction === 0 ? 0 : Math.max(1, Math.floor(evalFraction * rowCount + 0.5));
  const order = permutation(rowCount, mixSeeds(0x59117, seed));
  return { train: order.slice(held).sort(), eval: order.slice(0, held).sort() };
}
