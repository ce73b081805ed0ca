/** The folders of a sweep's runs: which run has one already, whatever it was called then, and whether it is finished. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, refuseLinkedFolder } from '@selective-dpo/foundation';
import { FINAL_FOLDER, isFinished, readRun } from '@selective-dpo/trainer';
import { keyOf, runDigest, type PlannedRun } from '../plan/planned-run.js';

/** The folder of runs inside a sweep's folder. */
export const RUNS_FOLDER = 'runs';

/** Where a run is, or will be. */
export interface RunPlace {
  run: PlannedRun;
  directory: string;
  finished: boolean;
}

/**
 * Where each run of a sweep is. A run is known by the digest of what it is made of, so a run keeps its folder when its sweep
 * is given more keys and names change.
 * @throws InputError `not-a-folder` where the folder of runs is a link.
 */
export async function placeRuns(directory: string, runs: readonly PlannedRun[]): Promise<RunPlace[]> {
  const root = join(directory, RUNS_FOLDER);
  await refuseLinkedFolder(root);
  const byKey = new Map<string, string[]>();
  for (const name of (await readdir(root).catch(() => [])).sort()) {
    const key = keyOf(name);
    byKey.set(key, [...(byKey.get(key) ?? []), name]);
  }
  const places: RunPlace[] = [];
  for (const run of runs) places.push(await placeRun(root, run, byKey.get(run.key) ?? []));
  return places;
}

async function placeRun(root: string, run: PlannedRun, names: readonly string[]): Promise<RunPlace> {
  for (const name of names) {
    const directory = join(root, name);
    if (await holdsRun(directory, run)) return { run, directory, finished: await isFinishedRun(directory) };
  }
  return { run, directory: join(root, run.folder), finished: false };
}

/** A folder that holds no run that can be read is left to the run itself, which says what is wrong. */
async function holdsRun(directory: string, run: PlannedRun): Promise<boolean> {
  try {
    return runDigest(await readRun(directory)) === run.digest;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

/** Whether a run was trained to its end. */
export async function isFinishedRun(directory: string): Promise<boolean> {
  try {
    return await isFinished(join(directory, FINAL_FOLDER));
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}
