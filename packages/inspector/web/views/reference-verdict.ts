/** What the figures of a reference mean for a training on its cache. */
import { LEAST_ORDERED, isWeakReference, wilsonInterval } from '@selective-dpo/data/figures';
import type { Overview } from '../../src/site-contract.js';

export interface Verdict {
  tone: 'good' | 'fair' | 'bad';
  /** Goes on after the accuracy. */
  headline: string;
  /** How far the accuracy may be off. */
  certainty: string;
  advice: string;
}

/** From this share on a reference tells chosen from rejected well. */
const GOOD_FROM = 0.65;

/** Words for the accuracy of a reference. */
export function referenceVerdict({ reference, rows }: Pick<Overview, 'reference' | 'rows'>): Verdict {
  const { accuracy, accuracyPerToken, ties } = reference;
  const ordered = Math.round(accuracy * rows);
  const { low, high } = wilsonInterval(ordered, rows);
  const certainty = `${percent(low)} to ${percent(high)} (95% interval over ${rows} pairs)`;
  if (isWeakReference(ordered, rows)) {
    const better =
      accuracyPerToken >= LEAST_ORDERED
        ? ' By the mean log-prob of a token it does better, so much of this comes from lengths: shorter answers have higher sums.'
        : '';
    return {
      certainty,
      tone: 'bad',
      headline: 'of the pairs: this reference hardly tells chosen from rejected answers.',
      advice: `Token selection follows the reference, so it is the weak point here. Score the dataset with a stronger model, or one aligned to preferences, before you train.${better}`,
    };
  }
  const tied = ties > 0.01 ? ` ${(100 * ties).toFixed(1)}% of the margins are exactly 0.` : '';
  if (accuracy < LEAST_ORDERED) {
    return {
      certainty,
      tone: 'fair',
      headline: 'of the pairs: too few pairs to tell whether this reference is any good.',
      advice:
        'The interval reaches the 55% below which token selection has little to go by. Score more pairs to know.',
    };
  }
  return accuracy < GOOD_FROM
    ? {
        certainty,
        tone: 'fair',
        headline: 'of the pairs: the reference prefers the chosen answer more often than not.',
        advice: `A stronger or better aligned reference may select better tokens.${tied}`,
      }
    : {
        certainty,
        tone: 'good',
        headline: 'of the pairs: the reference prefers the chosen answer.',
        advice: `Its log-probs carry the preference that selection needs.${tied}`,
      };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
