/** Checkpoints whose digests are right, but whose content no run wrote. */
import { execFileSync } from 'node:child_process';
import { readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@selective-dpo/foundation';
import { openEngine, writeSafetensors, type Engine, type TensorSource } from '@selective-dpo/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  loadCheckpoint,
  verifyCheckpoint,
  writeCheckpoint,
  type TrainingState,
} from '../src/run/checkpoint.js';
import { freshFolder } from './fresh-folder.js';
import { codesOf, refusalOf } from './refusal.js';
import { RUN, STATE, copyOf, makeOptimizer, reseal, trainedState } from './small-checkpoint.js';
import { writePolicy } from './small-policy.js';

let engine: Engine;
let state: TrainingState;
/** A checkpoint of `state` that no test changes. */
let written: string;

const copyOfCheckpoint = () => copyOf(written);

beforeAll(async () => {
  engine = await openEngine('cpu');
  const policyDirectory = await writePolicy();
  state = await trainedState(policyDirectory);
  const place = join(await freshFolder(), 'checkpoints');
  written = await writeCheckpoint(place, state, { runFingerprint: RUN, policyDirectory, keepLast: 9 });
});

afterAll(() => {
  state.optimizer.dispose();
  state.model.dispose();
});

describe('a checkpoint that was changed and sealed again', () => {
  /** Puts another file in the place of one of the checkpoint's. */
  async function replaced(name: string, write: (path: string) => Promise<unknown>): Promise<string> {
    const copy = await copyOfCheckpoint();
    await write(join(copy, name));
    const digest = sha256(await readFile(join(copy, name)));
    await reseal(copy, (files) => (files[name] = digest));
    return copy;
  }

  const load = async (copy: string) => loadCheckpoint(await verifyCheckpoint(copy, RUN), makeOptimizer);

  it.each([2, 4, 1e12])('is refused for the step %d, which is not that of its folder', async (step) => {
    const copy = await copyOfCheckpoint();
    await reseal(copy, (_, content) => (content.step = step));
    expect(await refusalOf(() => verifyCheckpoint(copy, RUN))).toMatchObject([
      { code: 'checkpoint-damaged', details: { file: join(copy, STATE), found: `step ${step}` } },
    ]);
  });

  it('is refused for a step behind the end of the run', async () => {
    expect(codesOf(await refusalOf(() => verifyCheckpoint(written, RUN, 2)))).toEqual(['checkpoint-damaged']);
    expect(await verifyCheckpoint(written, RUN, 3)).toMatchObject({ step: 3 });
  });

  it.each([7, 9, 4096])('is refused for a selection history of %d bytes', async (length) => {
    const name = 'selection-history.bin';
    const copy = await replaced(name, (path) => writeFile(path, new Uint8Array(length).fill(255)));
    expect(await refusalOf(() => load(copy))).toMatchObject([
      { code: 'checkpoint-damaged', details: { file: join(copy, name) } },
    ]);
  });

  it('is refused for moments of another shape, of other numbers or of none, and keeps no tensor', async () => {
    const before = engine.tf.memory().numTensors;
    const name = 'optimizer.safetensors';
    const moments = state.optimizer.exportState();
    const [{ name: first, shape }] = moments as [TensorSource];
    for (const [changed, found] of [
      [{ shape: [1], data: () => new Float32Array(1) }, 'F32 [1]'],
      [{ shape: [...shape].reverse() }, `F32 [${[...shape].reverse().join(', ')}]`],
      [{ name: 'other' }, 'nothing'],
    ] as [Partial<TensorSource>, string][]) {
      const sources = moments.map((source, i) => (i === 0 ? { ...source, ...changed } : source));
      const copy = await replaced(name, (path) => writeSafetensors(path, sources));
      expect(await refusalOf(() => load(copy))).toMatchObject([
        { code: 'checkpoint-damaged', details: { file: join(copy, name), found: `${found} as ${first}` } },
      ]);
    }
    expect(engine.tf.memory().numTensors).toBe(before);
    // Negative control.
    const restored = await load(await replaced('notes', (path) => writeFile(path, 'x')));
    restored.optimizer.dispose();
    restored.model.dispose();
  });
});

describe('what is no regular file in a checkpoint', () => {
  it('is refused, without waiting for a writer', async () => {
    for (const name of await readdir(written)) {
      const copy = await copyOfCheckpoint();
      await rm(join(copy, name));
      execFileSync('mkfifo', [join(copy, name)]);
      expect(await refusalOf(() => verifyCheckpoint(copy, RUN)), name).toMatchObject([
        { code: 'not-a-file', details: { file: join(copy, name) } },
      ]);
    }
  });

  it('and a state that is far too large, as well', async () => {
    const copy = await copyOfCheckpoint();
    await truncate(join(copy, STATE), 3 * 2 ** 30);
    expect(codesOf(await refusalOf(() => verifyCheckpoint(copy, RUN)))).toEqual(['file-too-large']);
  });
});
