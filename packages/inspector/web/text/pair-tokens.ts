/** The tokens of one answer with all that is known of each. */
import { alignmentScores } from '@selective-dpo/trainer/selection';
import type { PairContent } from '../data/pair-content.js';
import type { KeptTokens, PolicyLogps } from '../selection/reselect.js';

export type Side = 'chosen' | 'rejected';
export const SIDES: readonly Side[] = ['chosen', 'rejected'];

/** Lists [T], nats where they are log-probs or scores. */
export interface AnswerTokens {
  side: Side;
  ids: Int32Array;
  ref: Float32Array;
  policy: Float32Array | undefined;
  scores: Float64Array | undefined;
}

/** Both answers of a pair. */
export function answersOf(
  pair: PairContent,
  policy: PolicyLogps | undefined,
): Readonly<Record<Side, AnswerTokens>> {
  const answer = (side: Side): AnswerTokens => {
    const ref = side === 'chosen' ? pair.chosenRefLogps : pair.rejectedRefLogps;
    const own = policy?.[side];
    return {
      side,
      ids: side === 'chosen' ? pair.chosenIds : pair.rejectedIds,
      ref,
      policy: own,
      scores: own && alignmentScores(side, own, ref),
    };
  };
  return { chosen: answer('chosen'), rejected: answer('rejected') };
}

/** How many tokens are kept. */
export function keptCount(kept: KeptTokens, side: Side): number {
  return kept[side].reduce((sum, one) => sum + one, 0);
}
