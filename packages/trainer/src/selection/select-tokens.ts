/**
 * Step 2 of Selective-DPO: which response tokens are optimised. The mask is a constant for the gradient and is
 * computed anew from the current policy at every step. Chosen and rejected responses are treated separately;
 * only response tokens are ever considered, and a log-prob of exactly 0 is a token like any other.
 */
import { SeededRandom, mixSeeds } from '@selective-dpo/foundation/random';
import { alignmentScores, type PairLogps, type Side } from './alignment-score.js';
import { quantileCount, selectionThreshold, topKCount } from './quantile.js';
import { averageOverSentences, averageOverWindow } from './span-average.js';

export { alignmentScores };

/**
 * - `quantile`: the authors' rule. Keep s(t) ≥ the (1 − keep) quantile of the response's scores.
 * - `top-k`: exactly round-half-up(keep·n) tokens, at least 1; ties go to the earlier token.
 * - `batch`: one quantile over all chosen and one over all rejected tokens of the optimiser batch.
 * - `random`: as many tokens as `quantile` keeps without ties, drawn by seed. A control.
 * - `confidence`: lowest policy log-prob first, as in ConfPO; needs no reference. A control.
 * - `all`: every token: plain DPO.
 * - `span`: `quantile` on scores averaged over a window or a sentence.
 */
export const SELECTION_RULES = ['quantile', 'top-k', 'batch', 'random', 'confidence', 'all', 'span'] as const;
export type SelectionRule = (typeof SELECTION_RULES)[number];

export interface SelectionOptions {
  rule: SelectionRule;
  /** Share of the tokens to keep, in (0, 1]. */
  keep: number;
  /** For `span`: what to average over. */
  spanUnit: 'window' | 'sentence';
  /** For `span` over windows: width in tokens, odd. */
  spanWindow: number;
}

/** A pair as the rules see it. */
export interface SelectionInput {
  logps: PairLogps;
  chosenIds: Int32Array;
  rejectedIds: Int32Array;
  /** Decides the draw of `random` for this visit of this pair. */
  seed: number;
}

/** 1 for kept tokens, 0 for others; and the score threshold each side was cut at (NaN where none applies). */
export interface PairSelection {
  chosen: Uint8Array;
  rejected: Uint8Array;
  chosenThreshold: number;
  rejectedThreshold: number;
}

interface SideSelection {
  mask: Uint8Array;
  threshold: number;
}

/**
 * Selects the tokens of one optimiser batch.
 * @param endsSentence needed by rule `span` over sentences.
 */
export function selectTokens(
  pairs: readonly SelectionInput[],
  options: SelectionOptions,
  endsSentence: (id: number) => boolean = () => false,
): PairSelection[] {
  const chosen = selectSide('chosen', pairs, options, endsSentence);
  const rejected = selectSide('rejected', pairs, options, endsSentence);
  return pairs.map((_, i) => ({
    chosen: chosen[i]!.mask,
    rejected: rejected[i]!.mask,
    chosenThreshold: chosen[i]!.threshold,
    rejectedThreshold: rejected[i]!.threshold,
  }));
}

function selectSide(
  side: Side,
  pairs: readonly SelectionInput[],
  options: SelectionOptions,
  endsSentence: (id: number) => boolean,
): SideSelection[] {
  const scored = pairs.map((pair) => {
    const policy = side === 'chosen' ? pair.logps.policyChosen : pair.logps.policyRejected;
    const ref = side === 'chosen' ? pair.logps.refChosen : pair.logps.refRejected;
    return { pair, policy, scores: alignmentScores(side, policy, ref) };
  });
  const { rule, keep } = options;
  if (rule === 'batch') {
    const threshold = selectionThreshold(concat(scored.map(({ scores }) => scores)), keep);
    return scored.map(({ scores }) => atLeast(scores, threshold));
  }
  return scored.map(({ pair, policy, scores }) => {
    switch (rule) {
      case 'all':
        return { mask: new Uint8Array(scores.length).fill(1), threshold: NaN };
      case 'quantile':
        return atLeast(scores, selectionThreshold(scores, keep));
      case 'top-k':
        return highest(scores, topKCount(scores.length, keep));
      case 'random':
        return drawn(scores.length, keep, mixSeeds(pair.seed, side === 'chosen' ? 0 : 1));
      case 'confidence': {
        const doubts = Float64Array.from(policy, (logp) => -logp);
        return atLeast(doubts, selectionThreshold(doubts, keep));
      }
      case 'span': {
        const ids = side === 'chosen' ? pair.chosenIds : pair.rejectedIds;
        const averaged =
          options.spanUnit === 'window'
            ? averageOverWindow(scores, options.spanWindow)
            : averageOverSentences(scores, ids, endsSentence);
        return atLeast(averaged, selectionThreshold(averaged, keep));
      }
    }
  });
}

function atLeast(scores: Float64Array, threshold: number): SideSelection {
  return { mask: Uint8Array.from(scores, (score) => (score >= threshold ? 1 : 0)), threshold };
}

function highest(scores: Float64Array, count: number): SideSelection {
  const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const mask = new Uint8Array(scores.length);
  for (const t of order.slice(0, count)) mask[t] = 1;
  return { mask, threshold: count === 0 ? NaN : scores[order[count - 1]!]! };
}

/** A uniform draw of the quantile rule's count: selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S). */
function drawn(n: number, keep: number, seed: number): SideSelection {
  const random = new SeededRandom(seed);
  const mask = new Uint8Array(n);
  let wanted = quantileCount(n, keep);
  for (let t = 0; t < n && wanted > 0; t++) {
    if (random.next() * (n - t) >= wanted) continue;
    mask[t] = 1;
    wanted--;
  }
  return { mask, threshold: NaN };
}

function concat(lists: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(lists.reduce((sum, list) => sum + list.length, 0));
  let at = 0;
  for (const list of lists) {
    all.set(list, at);
    at += list.length;
  }
  return all;
}
