/** One pass over the cache before the first step: does the reference order its pairs, and which of them are trained on? */
import { InputError, Interrupted, type NoticeEvent } from '@selective-dpo/foundation';
import { isWeakReference, wilsonInterval, type CacheReader } from '@selective-dpo/data';
import type { TrainingConfig } from '../config/training-config.js';
import { pairTrust, referenceMargin } from './pair-trust.js';

export interface ReferenceSurvey {
  /** Of the whole cache. */
  pairs: number;
  /** Pairs whose chosen response has the higher summed log-prob under the reference. */
  ordered: number;
  /** Rows that are trained on, ascending: with refTrust=drop those alone whose margin is not below 0. */
  trainRows: Uint32Array;
  /** Share of the training pairs that were left. */
  keptShare: number;
  /** Mean trust of `trainRows`: what weights are divided by, so that their mean over an epoch is 1. */
  meanTrust: number;
}

/**
 * Reads every row once, in the order of the file. Memory: 4 bytes a training pair.
 * @param trainRows rows that are not held out, ascending.
 * @returns undefined with refTrust=ignore where the cache could not be read to its end (the step that needs the row says so) or `signal`
 *   was set: nothing depends on it then.
 * @throws InputError `cache-damaged`, `cache-row-invalid`, `no-training-pairs`; Interrupted.
 */
export async function surveyReference(
  cache: CacheReader,
  trainRows: Uint32Array,
  { refTrust, refTrustScale }: Pick<TrainingConfig, 'refTrust' | 'refTrustScale'>,
  signal?: AbortSignal,
): Promise<ReferenceSurvey | undefined> {
  const kept = new Uint32Array(trainRows.length);
  let [index, ordered, place, keptCount, trust] = [0, 0, 0, 0, 0];
  try {
    for await (const row of cache.rows()) {
      if (signal?.aborted === true) throw new Interrupted('stopped before the first step', RESUME);
      const margin = referenceMargin(row);
      if (margin.margin > 0) ordered++;
      if (trainRows[place] === index) {
        place++;
        if (!(refTrust === 'drop' && margin.margin < 0)) {
          kept[keptCount++] = index;
          trust += pairTrust(margin, refTrustScale);
        }
      }
      index++;
    }
  } catch (error) {
    if (refTrust === 'ignore' && (error instanceof InputError || error instanceof Interrupted))
      return undefined;
    throw error;
  }
  if (keptCount === 0) throw noneLeft(cache.directory, trainRows.length);
  return {
    ...{ pairs: index, ordered, trainRows: kept.slice(0, keptCount) },
    ...{ keptShare: keptCount / trainRows.length, meanTrust: trust / keptCount },
  };
}

const RESUME = 'run the same command with --resume';

/** A warning for a reference that {@link isWeakReference}. */
export function referenceWarning({ pairs, ordered }: ReferenceSurvey): NoticeEvent | undefined {
  if (!isWeakReference(ordered, pairs)) return undefined;
  const { low, high } = wilsonInterval(ordered, pairs);
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  return {
    type: 'notice',
    code: 'reference-disagrees',
    message:
      `warning: the reference finds the chosen answer likelier in ${percent(ordered / pairs)} of ${pairs} pairs only (95% interval ` +
      `${percent(low)} to ${percent(high)}): what it selects may mislead; score with a better reference, or see refTrust in sdpo train --help`,
    figures: { pairs, ordered: ordered / pairs, low, high },
  };
}

/** One line on what refTrust=drop leaves. */
export function droppedNotice({ trainRows, keptShare }: ReferenceSurvey): NoticeEvent {
  const all = Math.round(trainRows.length / keptShare);
  return {
    type: 'notice',
    code: 'reference-dropped',
    message: `refTrust=drop: ${all - trainRows.length} of ${all} training pairs are left out, which the reference orders wrongly`,
    figures: { pairs: all, dropped: all - trainRows.length },
  };
}

function noneLeft(file: string, pairs: number): InputError {
  return new InputError('no-training-pairs', 'nothing is left to train on', {
    file,
    field: 'refTrust',
    found: `${pairs} training pairs, all of which the reference orders wrongly`,
    expected: 'at least one that it does not',
    hint: 'score with another reference, or train with refTrust=ignore',
  });
}
