/** How the selection moved from one checkpoint to the next. */
import type { KeptTokens } from './reselect.js';
import { SIDES } from '../text/pair-tokens.js';

export interface Movement {
  /** Tokens kept by both, by the later alone, and by the earlier alone. */
  stayed: number;
  entered: number;
  left: number;
}

/** Counts over both answers of a pair. */
export function movementOf(before: KeptTokens, after: KeptTokens): Movement {
  const movement = { stayed: 0, entered: 0, left: 0 };
  for (const side of SIDES) {
    before[side].forEach((kept, t) => {
      const now = after[side][t];
      if (kept === 1 && now === 1) movement.stayed++;
      else if (kept === 1) movement.left++;
      else if (now === 1) movement.entered++;
    });
  }
  return movement;
}

/** Sums. */
export function addMovements(movements: readonly Movement[]): Movement {
  return movements.reduce(
    (sum, { stayed, entered, left }) => ({
      stayed: sum.stayed + stayed,
      entered: sum.entered + entered,
      left: sum.left + left,
    }),
    { stayed: 0, entered: 0, left: 0 },
  );
}

/** Jaccard similarity |A ∩ B| / |A ∪ B|; 1 for two empty selections. */
export function jaccard({ stayed, entered, left }: Movement): number {
  const all = stayed + entered + left;
  return all === 0 ? 1 : stayed / all;
}
