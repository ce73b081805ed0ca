/** Models to measure: model directories, runs and checkpoints. */
import { basename, join, resolve } from 'node:path';
import { InputError, allOrProblems, isFolder, requireFolder } from '@selective-dpo/foundation';
import { FINAL_FOLDER, readRun, runOfFolder, type RunIdentity } from '@selective-dpo/trainer';

/** A model to measure. */
export interface EvaluatedModel {
  /** As it is called in tables: the folder as it was given, its last part where that is unique. */
  name: string;
  /** Hugging Face model directory. */
  directory: string;
  /** The run it came from, if it did. */
  run?: { directory: string; identity: RunIdentity };
}

/** A model that is called otherwise than its folder: by its name on the hub. */
export interface NamedModel {
  /** The name, or the folder as it was given. */
  given: string;
  directory: string;
}

/**
 * The models behind folders, each a model directory, a run (its `final/`) or a run's checkpoint.
 * @throws InputError, InputErrors `file-not-found`, `not-a-folder`, `run-unfinished`, `run-damaged`, …
 */
export async function evaluatedModels(models: readonly (string | NamedModel)[]): Promise<EvaluatedModel[]> {
  const given = models.map((model) =>
    typeof model === 'string' ? { given: model, directory: model } : model,
  );
  const names = given.map((model) => (isNamed(model) ? model.given : shortName(model.directory)));
  const unique =
    new Set(names).size === names.length
      ? names
      : given.map((model) => (isNamed(model) ? model.given : resolve(model.directory)));
  if (new Set(unique).size < unique.length) {
    throw new InputError('model-twice', 'a model is given twice', {
      field: '--model',
      expected: 'another folder each',
    });
  }
  return allOrProblems(given.map(({ directory }, i) => evaluatedModel(directory, unique[i]!)));
}

const isNamed = ({ given, directory }: NamedModel): boolean => given !== directory;

async function evaluatedModel(folder: string, name: string): Promise<EvaluatedModel> {
  await requireFolder(folder, 'a model directory, a run or a checkpoint');
  const run = await runOfFolder(folder);
  if (run === undefined) return { name, directory: folder };
  const identity = await readRun(run);
  const isRun = run === resolve(folder);
  if (!isRun) return { name, directory: folder, run: { directory: run, identity } };
  const directory = join(folder, FINAL_FOLDER);
  if (!(await isFolder(directory))) {
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
