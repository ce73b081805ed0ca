/** One pass over the cache before the first step: does the reference order its pairs, and which of them are trained on? */
import {
  InputError,
  Interrupted,
  ProgressMeter,
  type NoticeEvent,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { isWeakReference, wilsonInterval, type CacheReader, type CacheRow } from '@selective-dpo/data';
import type { TrainingConfig } from '../config/training-config.js';
import { pairTrust, referenceMargin } from './pair-trust.js';
import { rememberOrder, rememberedOrder, type ReferenceOrder } from './remembered-order.js';

/** Of caches below this a look through takes less than a second, and is not remembered. */
const LEAST_REMEMBERED = 100_000;
/** Pairs between two events of progress; smaller caches have none. */
const PAIRS_A_STEP = 100_000;

export interface ReferenceSurvey extends ReferenceOrder {
  /** Rows that are trained on, ascending: with refTrust=drop those alone whose margin is not below 0. */
  trainRows: Uint32Array;
  /** Share of the training pairs that were left. */
  keptShare: number;
  /**
   * Mean trust of `trainRows`: what weights are divided by, so that their mean over an epoch is 1. Undefined with refTrust=ignore, where
   * nothing is.
   */
  meanTrust: number | undefined;
}

export interface SurveyOptions {
  listener?: ProgressListener | undefined;
  signal?: AbortSignal | undefined;
  /** Pairs of a cache from which on its order is remembered, {@link LEAST_REMEMBERED} unless told otherwise. */
  leastRemembered?: number | undefined;
}

type TrustSettings = Pick<TrainingConfig, 'refTrust' | 'refTrustScale'>;

/**
 * Reads every row once, in the order of the file; with refTrust=ignore only where no run has counted the pairs of this cache before
 * ({@link rememberedOrder}). Memory: with refTrust=drop 4 bytes a training pair.
 * @param trainRows rows that are not held out, ascending.
 * @returns undefined with refTrust=ignore where the cache could not be read to its end (the step that needs the row says so) or `signal`
 *   was set: nothing depends on it then.
 * @throws InputError `cache-damaged`, `cache-row-invalid`, `no-training-pairs`; Interrupted.
 */
export async function surveyReference(
  cache: CacheReader,
  trainRows: Uint32Array,
  settings: TrustSettings,
  options: SurveyOptions = {},
): Promise<ReferenceSurvey | undefined> {
  if (settings.refTrust !== 'ignore') return surveyTrust(cache, trainRows, settings, options);
  const order = await orderOf(cache, options);
  return order && { ...order, trainRows, keptShare: 1, meanTrust: undefined };
}

async function orderOf(cache: CacheReader, options: SurveyOptions): Promise<ReferenceOrder | undefined> {
  const { manifest, rowCount: pairs } = cache;
  const isRemembered = pairs >= (options.leastRemembered ?? LEAST_REMEMBERED);
  const before = isRemembered ? await rememberedOrder(manifest) : undefined;
  if (before !== undefined) return before;
  let ordered = 0;
  try {
    for await (const row of everyRow(cache, options)) if (referenceMargin(row).margin > 0) ordered++;
  } catch (error) {
    if (error instanceof InputError || error instanceof Interrupted) return undefined;
    throw error;
  }
  if (isRemembered) await rememberOrder(manifest, { pairs, ordered });
  return { pairs, ordered };
}

async function surveyTrust(
  cache: CacheReader,
  trainRows: Uint32Array,
  { refTrust, refTrustScale }: TrustSettings,
  options: SurveyOptions,
): Promise<ReferenceSurvey> {
  const kept = refTrust === 'drop' ? new Uint32Array(trainRows.length) : trainRows;
  let [index, ordered, place, keptCount, trust] = [0, 0, 0, 0, 0];
  for await (const row of everyRow(cache, options)) {
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
  if (keptCount === 0) throw noneLeft(cache.directory, trainRows.length);
  return {
    ...{ pairs: index, ordered, trainRows: kept.subarray(0, keptCount) },
    ...{ keptShare: keptCount / trainRows.length, meanTrust: trust / keptCount },
  };
}

/** @throws Interrupted once `signal` is set, and what reading throws. */
async function* everyRow(cache: CacheReader, { listener, signal }: SurveyOptions): AsyncGenerator<CacheRow> {
  const meter = new ProgressMeter('survey', 'pairs', cache.rowCount);
  let read = 0;
  for await (const row of cache.rows()) {
    if (signal?.aborted === true) throw new Interrupted('stopped before the first step', RESUME);
    yield row;
    if (++read % PAIRS_A_STEP === 0) listener?.(meter.advance(PAIRS_A_STEP));
  }
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
