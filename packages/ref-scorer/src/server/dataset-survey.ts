/** A look through the dataset before a server is given hours of work. */
import { ProgressMeter, type ProgressListener, type TokenizedPair } from '@selective-dpo/foundation';
import {
  isDroppedRow,
  tokenizePairs,
  type LengthLimits,
  type PairTokenizer,
  type PreferenceSource,
} from '@selective-dpo/data';
import { setImmediate } from 'node:timers/promises';

export interface DatasetSurvey {
  first: TokenizedPair;
  /** With the largest id. */
  largest: TokenizedPair;
  largestId: number;
  /** With the longest sequence, of so many tokens. */
  longest: TokenizedPair;
  longestTokens: number;
}

const ROWS_AT_A_TIME = 64;

/** undefined where no row gives a pair. @throws InputError as the source and the chat template do; the signal's reason. */
export async function surveyDataset(
  source: PreferenceSource,
  tokenizer: PairTokenizer,
  limits: LengthLimits | undefined,
  { listener, signal }: { listener?: ProgressListener | undefined; signal: AbortSignal },
): Promise<DatasetSurvey | undefined> {
  const meter = new ProgressMeter('look through', 'rows', undefined);
  let rows = 0;
  let survey: DatasetSurvey | undefined;
  for await (const item of tokenizePairs(source, tokenizer, limits)) {
    if (++rows % ROWS_AT_A_TIME === 0) {
      await setImmediate();
      signal.throwIfAborted();
      listener?.(meter.advance(ROWS_AT_A_TIME));
    }
    if (!isDroppedRow(item)) survey = extended(survey, item);
  }
  return survey;
}

function extended(survey: DatasetSurvey | undefined, pair: TokenizedPair): DatasetSurvey {
  const { promptIds, chosenIds, rejectedIds } = pair;
  const tokens = promptIds.length + Math.max(chosenIds.length, rejectedIds.length);
  let id = 0;
  for (const ids of [promptIds, chosenIds, rejectedIds]) for (const one of ids) id = Math.max(id, one);
  if (survey === undefined) {
    return { first: pair, largest: pair, largestId: id, longest: pair, longestTokens: tokens };
  }
  if (id > survey.largestId) Object.assign(survey, { largest: pair, largestId: id });
  if (tokens > survey.longestTokens) Object.assign(survey, { longest: pair, longestTokens: tokens });
  return survey;
}
