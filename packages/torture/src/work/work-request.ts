/** The work that is disturbed, as a process is asked for it. */
import { mergeCache } from '@selective-dpo/data';
import type { ScoreOptions } from '@selective-dpo/ref-scorer';
import type { TrainOptions } from '@selective-dpo/trainer';

export type WorkRequest =
  | { work: 'score'; options: ScoreOptions }
  | { work: 'merge'; directory: string }
  | { work: 'train'; options: TrainOptions };

/** Which modules a request needs; a process that has loaded them can begin at once. */
export type WorkKind = WorkRequest['work'];

/** Loads what a kind of work needs; the function it gives does one. */
export async function loadWork(kind: WorkKind): Promise<(request: WorkRequest) => Promise<void>> {
  const { openEngine } = kind === 'merge' ? { openEngine: undefined } : await import('@selective-dpo/model');
  await openEngine?.('wasm');
  const { scoreDataset } =
    kind === 'score' ? await import('@selective-dpo/ref-scorer') : { scoreDataset: undefined };
  const { train } = kind === 'train' ? await import('@selective-dpo/trainer') : { train: undefined };
  return async (request) => {
    if (request.work === 'merge') await mergeCache(request.directory);
    else if (request.work === 'score') await scoreDataset!(request.options);
    else await train!(request.options);
  };
}
