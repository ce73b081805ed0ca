/** The state of a small policy after three steps, and checkpoints of it that others have had a hand in. */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson, sha256 } from '@selective-dpo/foundation';
import { AdamW, CausalLM } from '@selective-dpo/model';
import { expect } from 'vitest';
import type { TrainingState } from '../src/run/checkpoint.js';
import { SelectionHistory } from '../src/selection/selection-history.js';
import { selectiveStep, type Objective } from '../src/step/selective-step.js';
import { freshFolder } from './fresh-folder.js';
import { pairRows } from './small-cache.js';

export const RUN = 'this run';
export const STATE = 'trainer-state.json';

export const objective: Objective = {
  selection: { rule: 'quantile', keep: 0.4, spanUnit: 'window', spanWindow: 5 },
  loss: { type: 'sigmoid', beta: 0.1, labelSmoothing: 0, rpoAlpha: 0, lengthNormalization: false },
  endsSentence: () => false,
  seed: 0,
};

export const makeOptimizer = (model: CausalLM) => new AdamW(model.parameters);

/** One optimiser step on some pairs, the same for equal arguments. */
export async function takeStep({ model, optimizer, history }: TrainingState, seed: number): Promise<void> {
  const pairs = pairRows(4, seed).map((row, i) => ({ index: 4 * seed + i, row }));
  const micro = { pairs: 4, tokens: 4096, activations: 'keep' } as const;
  const { outcomes, gradients } = await selectiveStep(model, pairs, objective, micro);
  for (const { row, selection } of outcomes) history.visit(row, selection);
  optimizer.step(gradients, 1e-2);
}

/** A policy trained for three steps. The receiver disposes model and optimiser. */
export async function trainedState(policyDirectory: string): Promise<TrainingState> {
  const model = await CausalLM.load(policyDirectory);
  const history = new SelectionHistory();
  const state = { model, optimizer: makeOptimizer(model), history, step: 3, pairsSeen: 12 };
  for (const seed of [1, 2, 3]) await takeStep(state, seed);
  return state;
}

/** A copy of a checkpoint in a folder of the same name. */
export async function copyOf(checkpoint: string): Promise<string> {
  const copy = join(await freshFolder(), 'step-3');
  await cp(checkpoint, copy, { recursive: true });
  return copy;
}

export interface StateContent {
  files: Record<string, string>;
  step: number;
}

/** Changes the state of a checkpoint and seals it again, as an attacker would. */
export async function reseal(
  directory: string,
  change: (files: Record<string, string>, content: StateContent) => void,
): Promise<void> {
  const { digest, ...content } = JSON.parse(
    await readFile(join(directory, STATE), 'utf8'),
  ) as StateContent & {
    digest: string;
  };
  change(content.files, content);
  const sealed = { ...content, digest: sha256(canonicalJson(content)) };
  expect(sealed.digest).not.toBe(digest);
  await writeFile(join(directory, STATE), `${JSON.stringify(sealed, null, 2)}\n`);
}
