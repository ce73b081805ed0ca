/** The work that is disturbed, as a process is asked for it. */
import { mergeCache } from '@selective-dpo/data';
import type { ScoreOptions } from '@selective-dpo/ref-scorer';
import type { TrainOptions } from '@selective-dpo/trainer';

/** What each kind of work is told. */
interface WorkOptions {
  score: ScoreOptions;
  merge: { directory: string };
  train: TrainOptions;
}

/** Which modules work needs; a process that has loaded them can begin at once. */
export type WorkKind = keyof WorkOptions;

export interface WorkRequest<Kind extends WorkKind = WorkKind> {
  work: Kind;
  options: WorkOptions[Kind];
}

type Work<Kind extends WorkKind> = (options: WorkOptions[Kind]) => Promise<unknown>;

const LOADERS: { [Kind in WorkKind]: () => Promise<Work<Kind>> } = {
  score: async () => {
    await openWasm();
    return (await import('@selective-dpo/ref-scorer')).scoreDataset;
  },
  merge: () => Promise.resolve(({ directory }) => mergeCache(directory)),
  train: async () => {
    await openWasm();
    return (await import('@selective-dpo/trainer')).train;
  },
};

/** Loads what a kind of work needs; the function that it gives does one piece. */
export async function loadWork<Kind extends WorkKind>(kind: Kind): Promise<Work<Kind>> {
  return LOADERS[kind]();
}

async function openWasm(): Promise<void> {
  await (await import('@selective-dpo/model')).openEngine('wasm');
}
