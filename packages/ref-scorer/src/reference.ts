/** The reference of a pass before anything is scored: what a cache of it is keyed by, and how its scorer comes to be. */
import { InputError } from '@selective-dpo/foundation';
import { MAX_TOP_LOGPROBS, type CacheInputs } from '@selective-dpo/data';
import type { Scorer } from './scorer.js';

export interface Reference {
  /** Its folder, or the address of its server. */
  name: string;
  model: CacheInputs['model'];
  identity: Scorer['identity'];
  /** Ids below this are in its vocabulary; Infinity where only asking can tell. */
  vocabSize: number;
  /** Positions it was trained on. */
  maxPositionEmbeddings: number;
  /** Loads the model, or holds the server against the dataset. */
  openScorer(): Promise<Scorer>;
}

/** @throws InputError `option-value`. */
export function refuseTooManyTop(topLogprobs: number | undefined, vocabSize: number): void {
  const most = Math.min(MAX_TOP_LOGPROBS, vocabSize);
  if (topLogprobs === undefined || topLogprobs <= most) return;
  throw new InputError('option-value', 'more likely tokens are asked for than a cache keeps', {
    field: '--top-logprobs',
    found: String(topLogprobs),
    expected: `at most ${most}${most === vocabSize ? ', the reference’s vocabulary' : ''}`,
  });
}
