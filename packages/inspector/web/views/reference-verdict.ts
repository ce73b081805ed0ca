/** What the figures of a reference mean for a training on its cache. */
import type { Overview } from '../../src/site-contract.js';

export interface Verdict {
  tone: 'good' | 'fair' | 'bad';
  /** Goes on after the accuracy. */
  headline: string;
  /** How far the accuracy may be off. */
  certainty: string;
  advice: string;
}

/** Below this a reference hardly tells chosen from rejected; above the other it does so well. */
export const [WEAK_BELOW, GOOD_FROM] = [0.55, 0.65];

/** Words for the accuracy of a reference. */
export function referenceVerdict({ reference, rows }: Pick<Overview, 'reference' | 'rows'>): Verdict {
  const { accuracy, accuracyPerToken, ties } = reference;
  const certainty = `±${halfInterval(accuracy, rows).toFixed(1)} points (95% interval over ${rows} pairs)`;
  if (accuracy < WEAK_BELOW) {
    const better =
      accuracyPerToken >= WEAK_BELOW
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

/** Half of the normal 95% interval of a share over n pairs, in points of a hundred. */
function halfInterval(share: number, n: number): number {
  return 196 * Math.sqrt((share * (1 - share)) / Math.max(1, n));
}
