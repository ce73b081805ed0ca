/** Which rows of the cache a run trains on and which it holds out. */
import { InputError, counted } from '@selective-dpo/foundation';
import { splitRows, type CacheReader } from '@selective-dpo/data';
import type { TrainingConfig } from '../config/training-config.js';
import { surveyReference, type ReferenceSurvey, type SurveyOptions } from '../trust/reference-survey.js';

export interface RunRows {
  /** Ascending; with refTrust=drop without those that the reference orders wrongly. */
  train: Uint32Array;
  /** Ascending; the same whatever is dropped. */
  eval: Uint32Array;
  /** Undefined where nothing depends on it and the cache could not be read to its end. */
  survey: ReferenceSurvey | undefined;
}

/**
 * Splits the cache, then looks through it ({@link surveyReference}). Pairs are dropped before an order is drawn: epochs, steps and batches
 * are those of a cache without them, and held-out pairs stay what they are.
 * @throws InputError `no-training-pairs`, and as {@link surveyReference}.
 */
export async function rowsOfRun(
  cache: CacheReader,
  config: TrainingConfig,
  options: SurveyOptions = {},
): Promise<RunRows> {
  const { train, eval: held } = splitRows(cache.rowCount, config.evalFraction, config.seed);
  if (train.length === 0) {
    throw new InputError('no-training-pairs', 'nothing is left to train on', {
      file: cache.directory,
      found: `${counted(cache.rowCount, 'pair')}, ${held.length} of them held out`,
      expected: 'at least one training pair',
      hint: 'lower evalFraction or score more rows',
    });
  }
  const survey = await surveyReference(cache, train, config, options);
  return { train: survey?.trainRows ?? train, eval: held, survey };
}
