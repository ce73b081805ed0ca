/**
 * `checkpoints/step-N`: a Hugging Face model directory with the optimiser's moments, the selection history and the
 * trainer's state beside it. Published as one folder; every file's digest stands in the state, and is checked
 * before anything is restored, so that a resumed run is bit-equal to an unbroken one or refused.
 */
import { readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  InputError,
  canonicalJson,
  explainSystemError,
  makeFolder,
  parseShallowJson,
  publishDirectory,
  quoteValue,
  readRegularFile,
  refuseLinkedFolder,
  removeDirectory,
  removeTemporaries,
  requireFolder,
  resolveInside,
  sha256,
  sha256OfFile,
} from '@selective-dpo/foundation';
import type { AdamW } from '@selective-dpo/model';
import {
  CausalLM,
  exportParameters,
  openSafetensors,
  writeModelDirectory,
  writeSafetensors,
  type JsonObject,
} from '@selective-dpo/model';
import { z } from 'zod';
import { MAX_HISTORY_BLOCK_BYTES, SelectionHistory } from '../selection/selection-history.js';

const STATE_FILE = 'trainer-state.json';
const OPTIMIZER_FILE = 'optimizer.safetensors';
const HISTORY_FILE = 'selection-history.bin';

const MAX_STATE_BYTES = 1 << 20;

/** Files that a restore reads where they are there. */
const RESTORED_FILES =
  /^(config\.json|optimizer\.safetensors|selection-history\.bin|model.*\.safetensors(\.index\.json)?)$/;

const stateSchema = z.strictObject({
  schemaVersion: z.literal(1),
  /** Optimiser steps done. Order, schedule and random selection follow from it and the seed. */
  step: z.int().min(1),
  /** Training pairs seen. */
  pairsSeen: z.int().min(0),
  /** Digest of everything that must be the same to go on: configuration, cache, policy. */
  runFingerprint: z.string(),
  files: z.record(z.string(), z.string()),
  /** SHA-256 of the canonical JSON of all other fields. */
  digest: z.string(),
});
type CheckpointState = z.infer<typeof stateSchema>;

/** What a checkpoint holds. */
export interface TrainingState {
  model: CausalLM;
  optimizer: AdamW;
  history: SelectionHistory;
  step: number;
  pairsSeen: number;
}

/**
 * Publishes `checkpoints/step-N` and removes older ones beyond `keepLast`, and before that, for the room they take,
 * those that a killed run left half-written.
 * @param policyDirectory where tokenizer files come from.
 * @throws InputError `disk-full`, `not-a-folder` where `checkpoints` is a link, `file-not-found` where the run's folder is gone, …
 */
export async function writeCheckpoint(
  checkpoints: string,
  state: TrainingState,
  {
    runFingerprint,
    policyDirectory,
    keepLast,
  }: { runFingerprint: string; policyDirectory: string; keepLast: number },
): Promise<string> {
  const directory = join(checkpoints, `step-${state.step}`);
  await requireFolder(dirname(checkpoints), 'the folder of the run');
  await refuseLinkedFolder(checkpoints);
  try {
    await makeFolder(checkpoints);
    await removeTemporaries(checkpoints);
  } catch (error) {
    throw explainSystemError(error, checkpoints);
  }
  await publishDirectory(directory, async (temporary) => {
    await writeModelDirectory(temporary, {
      config: state.model.config.raw as JsonObject,
      tensors: exportParameters(state.model.parameters),
      sourceDir: policyDirectory,
      modelCard: `Checkpoint of a selective-dpo run after ${state.step} optimiser steps.\n`,
    });
    await writeSafetensors(join(temporary, OPTIMIZER_FILE), state.optimizer.exportState());
    await writeFile(join(temporary, HISTORY_FILE), state.history.export());
    const files: Record<string, string> = {};
    for (const name of (await readdir(temporary)).sort())
      files[name] = await sha256OfFile(join(temporary, name));
    const { step, pairsSeen } = state;
    const content = { schemaVersion: 1 as const, step, pairsSeen, runFingerprint, files };
    const sealed: CheckpointState = { ...content, digest: sha256(canonicalJson(content)) };
    await writeFile(join(temporary, STATE_FILE), `${JSON.stringify(sealed, null, 2)}\n`);
  });
  const steps = await checkpointSteps(checkpoints);
  for (const old of steps.slice(0, Math.max(0, steps.length - keepLast))) {
    await removeDirectory(join(checkpoints, `step-${old}`));
  }
  return directory;
}

/** Steps of the published checkpoints, ascending; [] where there is no such folder. */
export async function checkpointSteps(checkpoints: string): Promise<number[]> {
  let names: string[];
  try {
    names = await readdir(checkpoints);
  } catch {
    return [];
  }
  return names
    .flatMap((name) => /^step-([1-9]\d*)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .filter(Number.isSafeInteger)
    .sort((a, b) => a - b);
}

/** A checkpoint whose files all have the digests its state names. */
export interface VerifiedCheckpoint {
  directory: string;
  step: number;
  pairsSeen: number;
}

/**
 * Checks a checkpoint's state and the digest of every file.
 * @param totalSteps steps of the run: a checkpoint is of one of them, the one its folder is named for.
 * @throws InputError `checkpoint-damaged`, `checkpoint-other-run`, `path-outside-folder`, `file-not-found`.
 */
export async function verifyCheckpoint(
  directory: string,
  runFingerprint: string,
  totalSteps = Infinity,
): Promise<VerifiedCheckpoint> {
  const file = join(directory, STATE_FILE);
  const state = parseState((await readRegularFile(file, MAX_STATE_BYTES)).toString('utf8'), file);
  if (basename(directory) !== `step-${state.step}` || state.step > totalSteps) {
    const expected = totalSteps === Infinity ? '' : `, of ${totalSteps} at most`;
    throw damaged(file, `step ${state.step}`, `the step of the folder ${basename(directory)}${expected}`);
  }
  await refuseUnlisted(directory, state);
  for (const [name, digest] of Object.entries(state.files)) {
    const path = resolveInside(directory, name, file);
    if ((await sha256OfFile(path)) !== digest) {
      throw damaged(path, 'the file is not the one that was written', `a file with SHA-256 ${digest}`);
    }
  }
  if (state.runFingerprint !== runFingerprint) {
    throw new InputError(
      'checkpoint-other-run',
      'the checkpoint was made with another configuration, cache or policy',
      {
        file: directory,
        hint: 'resume with the settings the run was started with, or start anew with another --out',
      },
    );
  }
  return { directory, step: state.step, pairsSeen: state.pairsSeen };
}

/** A file that is read must be one whose digest is checked. */
async function refuseUnlisted(directory: string, state: CheckpointState): Promise<void> {
  const read = (await readdir(directory)).filter((name) => RESTORED_FILES.test(name));
  const unlisted = [OPTIMIZER_FILE, HISTORY_FILE, ...read].find((name) => !Object.hasOwn(state.files, name));
  if (unlisted === undefined) return;
  throw damaged(
    join(directory, unlisted),
    `a file that ${STATE_FILE} does not name`,
    'only files that were written with the checkpoint',
  );
}

/**
 * Restores a verified checkpoint onto the current engine. The receiver owns what it holds.
 * @throws InputError `checkpoint-damaged` for moments that do not fit the model and a selection history that is not
 *   whole; and those of the model's files.
 */
export async function loadCheckpoint(
  checkpoint: VerifiedCheckpoint,
  makeOptimizer: (model: CausalLM) => AdamW,
): Promise<TrainingState> {
  const { directory, step, pairsSeen } = checkpoint;
  // First, because it needs no disposal.
  const history = await loadHistory(join(directory, HISTORY_FILE));
  const model = await CausalLM.load(directory);
  const optimizer = makeOptimizer(model);
  try {
    await loadMoments(join(directory, OPTIMIZER_FILE), optimizer, step);
  } catch (error) {
    optimizer.dispose();
    model.dispose();
    throw error;
  }
  return { model, optimizer, history, step, pairsSeen };
}

async function loadMoments(file: string, optimizer: AdamW, step: number): Promise<void> {
  const moments = await openSafetensors(file);
  try {
    for (const { name, shape } of optimizer.exportState()) {
      const expected = `F32 [${shape.join(', ')}]`;
      const info = moments.tensors.get(name);
      const found = info === undefined ? 'nothing' : `${info.dtype} [${info.shape.join(', ')}]`;
      if (found !== expected) throw damaged(file, `${found} as ${name}`, expected);
    }
    await optimizer.restoreState(step, (name) => moments.read(name));
  } finally {
    await moments.close();
  }
}

async function loadHistory(file: string): Promise<SelectionHistory> {
  const block = await readRegularFile(file, MAX_HISTORY_BLOCK_BYTES);
  try {
    return SelectionHistory.import(block);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw damaged(file, error.message, 'the selection history written with the checkpoint');
  }
}

function parseState(text: string, file: string): CheckpointState {
  let value: unknown;
  try {
    value = parseShallowJson(text);
  } catch {
    throw damaged(file, 'not JSON', 'the state written with the checkpoint');
  }
  const parsed = stateSchema.safeParse(value);
  if (!parsed.success) throw damaged(file, quoteValue(parsed.error.issues[0]?.message), 'a trainer state');
  const { digest, ...content } = parsed.data;
  if (digest !== sha256(canonicalJson(content)) || text !== `${JSON.stringify(parsed.data, null, 2)}\n`) {
    throw damaged(
      file,
      'content that differs from what was written',
      'the state written with the checkpoint',
    );
  }
  return parsed.data;
}

function damaged(file: string, found: string, expected: string): InputError {
  return new InputError('checkpoint-damaged', 'the checkpoint is damaged', {
    file,
    found,
    expected,
    hint: 'delete this checkpoint folder and resume from the one before',
  });
}
