/** On which pairs of a cache models are measured, and with which settings. */
import { join } from 'node:path';
import { InputError, type NoticeEvent } from '@selective-dpo/foundation';
import { splitRows, type CacheReader } from '@selective-dpo/data';
import {
  RUN_CONFIG_FILE,
  readRun,
  resolveTrainingConfig,
  type RunIdentity,
  type TrainingConfig,
} from '@selective-dpo/trainer';
import type { EvaluatedModel } from '../models/evaluated-model.js';

/** `heldout`: never trained on by the run. `train`: the others. `all`: every pair of the cache. */
export const SPLITS = ['heldout', 'train', 'all'] as const;
export type Split = (typeof SPLITS)[number];

export interface RowsToEvaluate {
  /** Rows of the cache, ascending. */
  rows: Uint32Array;
  config: TrainingConfig;
  notices: NoticeEvent[];
}

/**
 * The pairs of `split`, and the settings of selection and loss. Both come from the run of the first model that has one, or from
 * `runDirectory`; without a run from `words` alone.
 * @param words `key=value`, as for training; they win over the run's, but cannot change its split.
 * @throws InputError `split-unknown`, `split-differs`, `cache-differs`, `no-pairs`.
 */
export async function rowsToEvaluate(
  cache: CacheReader,
  models: readonly EvaluatedModel[],
  split: Split,
  words: readonly string[] = [],
  runDirectory?: string,
): Promise<RowsToEvaluate> {
  const given = runDirectory === undefined ? undefined : await namedRun(runDirectory);
  const leading = given ?? models.find(({ run }) => run !== undefined)?.run;
  const config = await resolveTrainingConfig(
    leading === undefined ? undefined : join(leading.directory, RUN_CONFIG_FILE),
    words,
  );
  if (split === 'all') {
    return { rows: Uint32Array.from({ length: cache.rowCount }, (_, i) => i), config, notices: [] };
  }
  if (leading !== undefined) refuseOtherSplit(leading, config, cache);
  const notices = models.flatMap(({ name, run }) =>
    run === undefined || leading === undefined ? [] : otherSplitNotices(name, run.identity, leading.identity),
  );
  const rows = splitRows(cache.rowCount, config.evalFraction, config.seed)[
    split === 'train' ? 'train' : 'eval'
  ];
  if (rows.length === 0) throw nothingHeldOut(leading?.directory, config);
  return { rows, config, notices };
}

async function namedRun(directory: string): Promise<{ directory: string; identity: RunIdentity }> {
  return { directory, identity: await readRun(directory) };
}

/** The split follows from the number of pairs, the share and the seed: all three must be the run's. */
function refuseOtherSplit(
  { directory, identity }: { directory: string; identity: RunIdentity },
  config: TrainingConfig,
  cache: CacheReader,
): void {
  for (const key of ['evalFraction', 'seed'] as const) {
    if (config[key] === identity.config[key]) continue;
    throw new InputError('split-differs', 'the run held out other pairs', {
      file: directory,
      field: key,
      found: String(config[key]),
      expected: String(identity.config[key]),
      hint: `leave ${key} out, or take --split all`,
    });
  }
  if (cache.manifest.digest === identity.cacheManifestSha256) return;
  throw new InputError('cache-differs', 'the run was trained from another cache', {
    file: cache.directory,
    found: `cache ${cache.manifest.digest.slice(0, 12)}`,
    expected: `cache ${identity.cacheManifestSha256.slice(0, 12)}`,
    hint: 'give the cache of the run, or --split all where it does not matter which pairs were trained on',
  });
}

/** A model of another run may have been trained on what the leading run held out. */
function otherSplitNotices(name: string, own: RunIdentity, leading: RunIdentity): NoticeEvent[] {
  const same =
    own.cacheManifestSha256 === leading.cacheManifestSha256 &&
    own.config.seed === leading.config.seed &&
    own.config.evalFraction === leading.config.evalFraction;
  if (same) return [];
  return [
    {
      type: 'notice',
      code: 'other-split',
      message: `${name} comes from a run with another cache, seed or evalFraction: it may have been trained on these pairs`,
    },
  ];
}

function nothingHeldOut(run: string | undefined, { evalFraction }: TrainingConfig): InputError {
  return new InputError('no-pairs', 'no pair is held out', {
    ...(run === undefined ? {} : { file: run }),
    field: 'evalFraction',
    found: String(evalFraction),
    hint:
      run === undefined
        ? 'none of the models names a run: give --run RUN, evalFraction=… and seed=…, or --split all'
        : 'the run trained on every pair; --split all measures on all of them',
  });
}
