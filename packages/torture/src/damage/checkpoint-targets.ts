/** Files of a run's newest checkpoint and its description, and their readers. */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { canonicalJson } from '@selective-dpo/foundation';
import {
  CHECKPOINTS_FOLDER,
  checkpointSteps,
  readRun,
  runFingerprint,
  verifyCheckpoint,
} from '@selective-dpo/trainer';
import type { DamageTarget } from './count-damage.js';

/** Files that have a row of their own. */
const KINDS: [file: string, kind: string, faults: DamageTarget['faults']][] = [
  ['trainer-state.json', 'state of a checkpoint', { flips: 1000, cuts: 200 }],
  ['model.safetensors', 'weights of a checkpoint', { flips: 600, cuts: 200 }],
  ['optimizer.safetensors', 'moments of a checkpoint', { flips: 600, cuts: 200 }],
  ['selection-history.bin', 'selection history of a checkpoint', { flips: 400, cuts: 100 }],
];

/** @param run of which a checkpoint is there. */
export async function checkpointTargets(run: string): Promise<DamageTarget[]> {
  const checkpoints = join(run, CHECKPOINTS_FOLDER);
  const folder = join(checkpoints, `step-${(await checkpointSteps(checkpoints)).at(-1)!}`);
  const fingerprint = runFingerprint(await readRun(run));
  const read = async (from: string) => {
    const { step, pairsSeen } = await verifyCheckpoint(from, fingerprint);
    return canonicalJson({ step, pairsSeen, name: basename(from) });
  };
  const known = KINDS.map(([file]) => file);
  const others = (await readdir(folder)).filter((name) => !known.includes(name));
  return [
    {
      ...{ kind: 'description of a run', folder: run, files: ['run.json'] },
      read: async (from: string) => runFingerprint(await readRun(from)),
      faults: { flips: 1000, cuts: 100 },
    },
    ...KINDS.map(([file, kind, faults]) => ({ kind, folder, files: [file], read, faults })),
    {
      ...{ kind: 'other files of a checkpoint', folder, files: others, read },
      faults: { flips: 400, cuts: 100 },
    },
  ];
}
