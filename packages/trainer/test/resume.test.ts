import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Interrupted, type NoticeEvent, type ProgressListener } from '@selective-dpo/foundation';
import { openEngine, type Engine } from '@selective-dpo/model';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TrainingConfig } from '../src/index.js';
import { freshFolder } from './fresh-folder.js';
import { codesOf, refusalOf } from './refusal.js';
import { figuresOf, newRunFolder, runWith, weightsOf, writeRunInputs, type RunInputs } from './small-run.js';

const STEPS = 6;

/** Two epochs, random selection and held-out pairs, so that every state and source of chance takes part. */
const CONFIG: Partial<TrainingConfig> = {
  ...{ selection: 'random', evalFraction: 0.2, evalEvery: 2, maxSteps: STEPS },
  ...{ batchSize: 8, warmupSteps: 2, weightDecay: 0.1 },
};

let engine: Engine;
let inputs: RunInputs;
/** An unbroken run that no test changes. */
let whole: string;

beforeAll(async () => {
  engine = await openEngine('wasm');
  inputs = await writeRunInputs();
  whole = (await runWith(inputs, { config: CONFIG })).folder;
  expect((await figuresOf(whole)).at(-2)).toHaveProperty('selection/overlap_previous');
});

/** Runs until `steps` steps of this process are done, and is interrupted there. */
async function runUntil(steps: number, outDirectory: string, resume: boolean, config = CONFIG) {
  const controller = new AbortController();
  let done = 0;
  const listener: ProgressListener = ({ type }) => {
    if (type === 'progress' && ++done === steps) controller.abort();
  };
  if (steps === 0) controller.abort();
  const run = runWith(inputs, { outDirectory, resume, config, listener, signal: controller.signal });
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Interrupted);
  expect(done).toBe(steps);
  return error as Interrupted;
}

async function expectSameRun(folder: string, other: string): Promise<void> {
  expect(await figuresOf(folder)).toEqual(await figuresOf(other));
  const weights = await weightsOf(join(folder, 'final'));
  expect(weights.equals(await weightsOf(join(other, 'final')))).toBe(true);
}

describe('an interrupted run', () => {
  it.each([1, 2, 3, 5])(
    'after step %i goes on to the figures and weights of an unbroken one',
    async (steps) => {
      const outDirectory = await newRunFolder();
      const { message, resume } = await runUntil(steps, outDirectory, false);
      expect(message).toContain(`step ${steps} of ${STEPS}`);
      expect(resume).toContain('--resume');
      expect(await readdir(join(outDirectory, 'checkpoints'))).toEqual([`step-${steps}`]);
      expect(await readdir(outDirectory)).not.toContain('final');

      const notices: NoticeEvent[] = [];
      const listener: ProgressListener = (event) => event.type === 'notice' && notices.push(event);
      const result = await runWith(inputs, { outDirectory, resume: true, config: CONFIG, listener });
      expect(result.steps).toBe(STEPS);
      expect(notices).toContainEqual(
        expect.objectContaining({ code: 'resumed', message: `going on after step ${steps} of ${STEPS}` }),
      );
      await expectSameRun(outDirectory, whole);
    },
  );

  it('differs from a run with another seed', async () => {
    const { folder } = await runWith(inputs, { config: { ...CONFIG, seed: 6 } });
    const losses = async (run: string) => (await figuresOf(run)).map(({ loss }) => loss);
    expect(await losses(folder)).not.toEqual(await losses(whole));
    expect((await weightsOf(join(folder, 'final'))).equals(await weightsOf(join(whole, 'final')))).toBe(
      false,
    );
  });

  it('may be interrupted again and again', async () => {
    const outDirectory = await newRunFolder();
    await runUntil(2, outDirectory, false);
    await runUntil(1, outDirectory, true);
    await runUntil(0, outDirectory, true);
    await runUntil(2, outDirectory, true);
    await runWith(inputs, { outDirectory, resume: true, config: CONFIG });
    await expectSameRun(outDirectory, whole);
  });

  it('before its first step has no checkpoint and begins anew', async () => {
    const outDirectory = await newRunFolder();
    await runUntil(0, outDirectory, false);
    expect(await readdir(outDirectory)).not.toContain('checkpoints');
    await runWith(inputs, { outDirectory, resume: true, config: CONFIG });
    await expectSameRun(outDirectory, whole);
  });

  it('before its first step lets no read of a damaged cache fail unseen', async () => {
    const unseen: unknown[] = [];
    const collect = (reason: unknown) => unseen.push(reason);
    const cacheDirectory = join(await freshFolder(), 'cache');
    await cp(inputs.cacheDirectory, cacheDirectory, { recursive: true });
    const shard = join(cacheDirectory, 'shards', 'shard-00000.arrow');
    const bytes = await readFile(shard);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(shard, bytes);
    const damaged = { ...inputs, cacheDirectory };
    const config = { ...CONFIG, evalFraction: 0 };
    process.on('unhandledRejection', collect);
    try {
      const run = runWith(damaged, { config, signal: AbortSignal.abort() });
      await expect(run).rejects.toBeInstanceOf(Interrupted);
      await new Promise((resolve) => setTimeout(resolve, 100));
    } finally {
      process.off('unhandledRejection', collect);
    }
    expect(unseen).toEqual([]);
    // Negative control: without the signal the damage is seen.
    expect(codesOf(await refusalOf(() => runWith(damaged, { config })))).toEqual(['cache-damaged']);
  });

  it('leaves no tensor behind', async () => {
    const before = engine.tf.memory().numTensors;
    const outDirectory = await newRunFolder();
    await runUntil(1, outDirectory, false);
    expect(engine.tf.memory().numTensors).toBe(before);
    await runWith(inputs, { outDirectory, resume: true, config: CONFIG });
    expect(engine.tf.memory().numTensors).toBe(before);
  });
});

describe('a run that ended without a word', () => {
  /** A run of which a kill left checkpoints up to `step`, and metrics of every step. */
  async function killedAfter(step: number): Promise<string> {
    const config = { ...CONFIG, saveEvery: 1, saveTotalLimit: STEPS };
    const { folder } = await runWith(inputs, { config });
    await rm(join(folder, 'final'), { recursive: true });
    for (let later = step + 1; later <= STEPS; later++) {
      await rm(join(folder, 'checkpoints', `step-${later}`), { recursive: true });
    }
    return folder;
  }

  const goOn = (outDirectory: string, config = CONFIG) =>
    runWith(inputs, { outDirectory, resume: true, config });

  it.each([1, 4])('goes on from its checkpoint of step %i, and writes later lines anew', async (step) => {
    const folder = await killedAfter(step);
    await goOn(folder);
    await expectSameRun(folder, whole);
  });

  it('that was at its end only exports its policy again', async () => {
    const folder = await killedAfter(STEPS);
    const before = await readFile(join(folder, 'metrics.jsonl'));
    const { lastMetrics } = await goOn(folder);
    expect((await readFile(join(folder, 'metrics.jsonl'))).equals(before)).toBe(true);
    await expectSameRun(folder, whole);
    const last = (await figuresOf(whole)).at(-1)!;
    expect(lastMetrics.eval).toMatchObject({ loss: last.loss });
    expect(lastMetrics.train).toHaveProperty('grad_norm');
  });

  it('that was finished is not trained again, with or without checkpoints', async () => {
    for (const saveEvery of [0, 2]) {
      const { folder } = await runWith(inputs, { config: { ...CONFIG, saveEvery } });
      const before = await readFile(join(folder, 'metrics.jsonl'));
      const events: string[] = [];
      const again = await runWith(inputs, {
        ...{ outDirectory: folder, resume: true, config: { ...CONFIG, saveEvery } },
        listener: ({ type }) => events.push(type),
      });
      expect(again).toMatchObject({ alreadyComplete: true, steps: STEPS });
      expect(again.lastMetrics.eval).toMatchObject({ loss: (await figuresOf(whole)).at(-1)!.loss });
      expect(events).not.toContain('progress');
      expect((await readFile(join(folder, 'metrics.jsonl'))).equals(before)).toBe(true);
    }
  });

  it('that was finished is trained to its end again when final/ was emptied', async () => {
    const config = { ...CONFIG, saveEvery: 2 };
    const { folder } = await runWith(inputs, { config });
    await rm(join(folder, 'final'), { recursive: true });
    await mkdir(join(folder, 'final'));
    expect(await goOn(folder, config)).toMatchObject({ alreadyComplete: false, steps: STEPS });
    await expectSameRun(folder, whole);
  });

  it.each(['model.safetensors', 'config.json'])(
    'that was finished says when final/ has lost %s, and trains to its end when that folder is removed',
    async (name) => {
      const config = { ...CONFIG, saveEvery: 2 };
      const { folder } = await runWith(inputs, { config });
      await rm(join(folder, 'final', name));
      expect(await refusalOf(() => goOn(folder, config))).toMatchObject([
        { code: 'final-damaged', details: { file: join(folder, 'final') } },
      ]);
      await rm(join(folder, 'final'), { recursive: true });
      expect(await goOn(folder, config)).toMatchObject({ alreadyComplete: false, steps: STEPS });
      await expectSameRun(folder, whole);
    },
  );

  it('is refused when the newest checkpoint is damaged, and goes on when that is deleted', async () => {
    const folder = await killedAfter(3);
    const file = join(folder, 'checkpoints', 'step-3', 'optimizer.safetensors');
    const bytes = await readFile(file);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(file, bytes);
    const lines = await readFile(join(folder, 'metrics.jsonl'));
    expect(await refusalOf(() => goOn(folder))).toMatchObject([
      { code: 'checkpoint-damaged', details: { file } },
    ]);
    expect((await readFile(join(folder, 'metrics.jsonl'))).equals(lines)).toBe(true);
    await rm(join(folder, 'checkpoints', 'step-3'), { recursive: true });
    await goOn(folder);
    await expectSameRun(folder, whole);
  });

  it('is refused with the checkpoint of another run', async () => {
    const folder = await killedAfter(2);
    const other = await newRunFolder();
    await runUntil(4, other, false, { ...CONFIG, beta: 0.2 });
    await cp(join(other, 'checkpoints', 'step-4'), join(folder, 'checkpoints', 'step-4'), {
      recursive: true,
    });
    expect(codesOf(await refusalOf(() => goOn(folder)))).toEqual(['checkpoint-other-run']);
  });

  it('is refused for other settings, another policy and another cache, and is left as it is', async () => {
    const folder = await killedAfter(2);
    const fieldsOf = async (work: () => Promise<unknown>) =>
      (await refusalOf(work)).map(({ code, details }) => [code, details.field]);
    expect(await fieldsOf(() => goOn(folder, { ...CONFIG, keep: 0.5, seed: 9 }))).toEqual([
      ['run-differs', 'config.keep'],
      ['run-differs', 'config.seed'],
    ]);
    const others = await writeRunInputs(31);
    const change = { outDirectory: folder, resume: true, config: CONFIG };
    expect(
      await fieldsOf(() => runWith({ ...inputs, cacheDirectory: others.cacheDirectory }, change)),
    ).toEqual([['run-differs', 'cacheManifestSha256']]);
    const policyDirectory = await freshFolder();
    await cp(inputs.policyDirectory, policyDirectory, { recursive: true });
    await cp(join(whole, 'final', 'model.safetensors'), join(policyDirectory, 'model.safetensors'));
    expect(await fieldsOf(() => runWith({ ...inputs, policyDirectory }, change))).toEqual([
      ['run-differs', 'policySha256'],
    ]);
    expect(codesOf(await refusalOf(() => runWith(inputs, { ...change, resume: false })))).toEqual([
      'run-exists',
    ]);
    await goOn(folder);
    await expectSameRun(folder, whole);
  });
});
