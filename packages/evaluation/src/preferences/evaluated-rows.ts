/** Which models are measured, with which settings, and on which pairs of a cache. */
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { InputError, type NoticeEvent } from '@selective-dpo/foundation';
import { splitRows, type CacheReader } from '@selective-dpo/data';
import {
  FINAL_FOLDER,
  RUN_CONFIG_FILE,
  readRun,
  resolveTrainingConfig,
  runOfFolder,
  type RunIdentity,
  type TrainingConfig,
} from '@selective-dpo/trainer';

/** `heldout`: never trained on by the run. `train`: the others. `all`: every pair of the cache. */
export const SPLITS = ['heldout', 'train', 'all'] as const;
export type Split = (typeof SPLITS)[number];

/** A model to measure. */
export interface EvaluatedModel {
  /** As it is called in tables: the folder as it was given, its last part where that is unique. */
  name: string;
  /** Hugging Face model directory. */
  directory: string;
  /** The run it came from, if it did. */
  run?: { directory: string; identity: RunIdentity };
}

export interface RowsToEvaluate {
  /** Rows of the cache, ascending. */
  rows: Uint32Array;
  config: TrainingConfig;
  notices: NoticeEvent[];
}

/**
 * The models behind folders, each a model directory, a run (its `final/`) or a run's checkpoint.
 * @throws InputError `run-unfinished`, `run-damaged`, …
 */
export async function evaluatedModels(folders: readonly string[]): Promise<EvaluatedModel[]> {
  const names = folders.map(shortName);
  const unique = new Set(names).size === names.length ? names : folders.map((folder) => resolve(folder));
  if (new Set(unique).size < unique.length) {
    throw new InputError('model-twice', 'a model is given twice', {
      field: '--model',
      expected: 'another folder each',
    });
  }
  return Promise.all(folders.map((folder, i) => evaluatedModel(folder, unique[i]!)));
}

async function evaluatedModel(folder: string, name: string): Promise<EvaluatedModel> {
  const run = await runOfFolder(folder);
  if (run === undefined) return { name, directory: folder };
  const identity = await readRun(run);
  const isRun = run === resolve(folder);
  if (!isRun) return { name, directory: folder, run: { directory: run, identity } };
  const directory = join(folder, FINAL_FOLDER);
  if ((await stat(directory).catch(() => undefined))?.isDirectory() !== true) {
    throw new InputError('run-unfinished', 'the run has no final model yet', {
      file: folder,
      hint: 'finish it with sdpo train --resume, or give one of its checkpoints as --model',
    });
  }
  return { name, directory, run: { directory: run, identity } };
}

/** `runs/a/final` → `a`; `runs/a/checkpoints/step-4` → `a/step-4`. */
function shortName(folder: string): string {
  const parts = resolve(folder).split(/[\\/]/);
  if (parts.at(-1) === FINAL_FOLDER) return parts.at(-2) ?? FINAL_FOLDER;
  return parts.at(-2) === 'checkpoints' ? `${parts.at(-3) ?? ''}/${parts.at(-1)}` : basename(folder);
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
