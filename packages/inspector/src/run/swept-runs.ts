/** The runs of a sweep as they stand: by their folders, by the locks of those that train, and by the sweep's table of results. */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { FolderLock, InputError, explainSystemError, refuseLinkedFolder } from '@selective-dpo/foundation';
import { readRun } from '@selective-dpo/trainer';
import { RUNS_FOLDER, keyOf, recordedRuns, runNameOf, type RecordedRun } from '@selective-dpo/sweeps';
import type { SweptRunDescription } from '../site-contract.js';
import { hasFinal } from './run-policies.js';

export interface StandingRun extends Omit<SweptRunDescription, 'metrics'> {
  /** Key of the run, by which it is known before and after it begins; the folder's name where another has the same key. */
  id: string;
  /** Its folder; undefined for one that has not begun. */
  folder: string | undefined;
}

export class SweptRuns {
  /** Configurations by folder: these never change. */
  private readonly configs = new Map<string, Record<string, unknown>>();

  /** @param directory of a sweep. */
  constructor(private readonly directory: string) {}

  /**
   * Looks at all runs: those in folders by name, then those that are to come.
   * @throws InputError `run-damaged`, `not-a-folder`, those of the file system.
   */
  async look(): Promise<StandingRun[]> {
    const recorded = await recordedRuns(this.directory);
    const folders = await this.begunFolders();
    const ids = idsOf(folders);
    const names = namesOf(folders);
    const failed = new Set(recorded.filter(({ status }) => status === 'failed').map(({ key }) => key));
    const begun = await Promise.all(
      folders.map(async (folder, i): Promise<StandingRun> => {
        const state = await stateOf(folder, failed.has(ids[i]!));
        return { id: ids[i]!, name: names[i]!, folder, state, config: this.configs.get(folder)! };
      }),
    );
    return [...begun, ...waitingRuns(recorded, begun)];
  }

  private async begunFolders(): Promise<string[]> {
    const root = join(this.directory, RUNS_FOLDER);
    await refuseLinkedFolder(root);
    let names: string[];
    try {
      names = (await readdir(root)).sort();
    } catch (error) {
      throw explainSystemError(error, root);
    }
    const begun: string[] = [];
    for (const name of names) {
      const folder = join(root, name);
      if (this.configs.has(folder) || (await this.readConfig(folder))) begun.push(folder);
    }
    return begun;
  }

  /** @returns false for a run that has not begun, or something else. */
  private async readConfig(folder: string): Promise<boolean> {
    try {
      const { config, cacheManifestSha256 } = await readRun(folder);
      // The cache counts as a key, since a sweep may have several references.
      this.configs.set(folder, { ...config, cache: cacheManifestSha256.slice(0, 12) });
      return true;
    } catch (error) {
      if (error instanceof InputError && ['file-not-found', 'not-a-folder'].includes(error.code))
        return false;
      throw error;
    }
  }
}

async function stateOf(folder: string, failed: boolean): Promise<SweptRunDescription['state']> {
  if (await hasFinal(folder)) return 'finished';
  if (await FolderLock.isHeld(folder)) return 'running';
  return failed ? 'failed' : 'stopped';
}

/** Columns of the table that no begun run has in its configuration, or under another name. */
const NO_TRAINING_KEYS: ReadonlySet<string> = new Set(['policy', 'cache', 'run']);

/** Runs of the table that have no folder. Of their settings those that are swept are known. */
function waitingRuns(recorded: readonly RecordedRun[], begun: readonly StandingRun[]): StandingRun[] {
  const ids = new Set(begun.map(({ id }) => id));
  const names = new Set(begun.map(({ name }) => name));
  return recorded
    .filter(({ key }) => !ids.has(key) && ids.add(key))
    .map(({ key, name, status, values }) => ({
      ...{ id: key, name: names.has(name) ? `${name}-${key}` : name, folder: undefined },
      state: status === 'failed' ? 'failed' : 'waiting',
      config: Object.fromEntries(Object.entries(values).filter(([column]) => !NO_TRAINING_KEYS.has(column))),
    }));
}

function idsOf(folders: readonly string[]): string[] {
  const keys = folders.map((folder) => keyOf(basename(folder)));
  return keys.map((key, i) => (keys.indexOf(key) === i ? key : basename(folders[i]!)));
}

/** Without the keys of their folders, unless two then have one name. */
function namesOf(folders: readonly string[]): string[] {
  const bases = folders.map((folder) => basename(folder));
  const names = bases.map(runNameOf);
  return names.map((name, i) => (names.indexOf(name) === names.lastIndexOf(name) ? name : bases[i]!));
}
