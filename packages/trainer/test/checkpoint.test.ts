import { mkdir, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@selective-dpo/foundation';
import {
  CausalLM,
  exportParameters,
  openEngine,
  type AdamW,
  type Engine,
  type TensorSource,
} from '@selective-dpo/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  checkpointSteps,
  loadCheckpoint,
  verifyCheckpoint,
  writeCheckpoint,
  type TrainingState,
} from '../src/run/checkpoint.js';
import { SelectionHistory } from '../src/selection/selection-history.js';
import { freshFolder } from './fresh-folder.js';
import { codesOf, refusalOf } from './refusal.js';
import { RUN, STATE, copyOf, makeOptimizer, reseal, takeStep, trainedState } from './small-checkpoint.js';
import { writePolicy } from './small-policy.js';

let engine: Engine;
let policy: string;
let state: TrainingState;
/** A checkpoint of `state` that no test changes. */
let written: string;

const write = (checkpoints: string, keepLast = 9, step = state.step) =>
  writeCheckpoint(
    checkpoints,
    { ...state, step },
    { runFingerprint: RUN, policyDirectory: policy, keepLast },
  );

async function bitsOf(tensors: TensorSource[]): Promise<Map<string, Buffer>> {
  const bits = new Map<string, Buffer>();
  for (const { name, data } of tensors) bits.set(name, Buffer.from((await data()).slice().buffer));
  return bits;
}

const copyOfCheckpoint = () => copyOf(written);

async function flipBit(file: string, at: number, bit: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[at]! ^= 1 << bit;
  await writeFile(file, bytes);
}

beforeAll(async () => {
  engine = await openEngine('cpu');
  policy = await writePolicy();
  state = await trainedState(policy);
  written = await write(join(await freshFolder(), 'checkpoints'));
});

afterAll(() => {
  state.optimizer.dispose();
  state.model.dispose();
});

describe('a checkpoint', () => {
  it('is a model directory with the state of training beside it, every file but the state listed', async () => {
    const names = (await readdir(written)).sort();
    expect(names).toEqual(
      [
        ...['README.md', 'config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'],
        ...['optimizer.safetensors', 'selection-history.bin', STATE],
      ].sort(),
    );
    const { files } = JSON.parse(await readFile(join(written, STATE), 'utf8')) as { files: object };
    expect([...Object.keys(files), STATE].sort()).toEqual(names);
    expect(await readdir(join(written, '..'))).toEqual(['step-3']);
  });

  it('gives everything back bit for bit', async () => {
    const verified = await verifyCheckpoint(written, RUN);
    expect(verified).toEqual({ directory: written, step: 3, pairsSeen: 12 });
    const restored = await loadCheckpoint(verified, makeOptimizer);
    const bits = ({ model, optimizer }: TrainingState) =>
      bitsOf([...exportParameters(model.parameters), ...optimizer.exportState()]);
    expect(await bits(restored)).toEqual(await bits(state));
    expect(restored.history.export()).toEqual(state.history.export());
    expect([restored.step, restored.pairsSeen, restored.optimizer.stepCount]).toEqual([3, 12, 3]);
    // Negative control: the moments are not what a new optimiser has.
    const fresh = makeOptimizer(restored.model);
    expect(await bits({ ...restored, optimizer: fresh })).not.toEqual(await bits(state));
    for (const owner of [fresh, restored.optimizer, restored.model]) owner.dispose();
  });

  it('goes on to the weights of an unbroken run, bit for bit, and without its moments to others', async () => {
    const weightsAfter = async (optimizerOf: (restored: TrainingState) => AdamW) => {
      const restored = await loadCheckpoint(await verifyCheckpoint(written, RUN), makeOptimizer);
      const optimizer = optimizerOf(restored);
      await takeStep({ ...restored, optimizer }, 4);
      const bits = await bitsOf(exportParameters(restored.model.parameters));
      for (const owner of new Set([optimizer, restored.optimizer, restored.model])) owner.dispose();
      return bits;
    };
    const model = await CausalLM.load(policy);
    const unbroken = { ...state, model, optimizer: makeOptimizer(model), history: new SelectionHistory() };
    for (const seed of [1, 2, 3, 4]) await takeStep(unbroken, seed);
    const expected = await bitsOf(exportParameters(model.parameters));
    unbroken.optimizer.dispose();
    model.dispose();
    expect(await weightsAfter(({ optimizer }) => optimizer)).toEqual(expected);
    expect(await weightsAfter((restored) => makeOptimizer(restored.model))).not.toEqual(expected);
  });

  it('leaves no tensor behind, written or restored', async () => {
    const before = engine.tf.memory().numTensors;
    const directory = await write(join(await freshFolder(), 'checkpoints'));
    const restored = await loadCheckpoint(await verifyCheckpoint(directory, RUN), makeOptimizer);
    expect(engine.tf.memory().numTensors).toBeGreaterThan(before);
    restored.optimizer.dispose();
    restored.model.dispose();
    expect(engine.tf.memory().numTensors).toBe(before);
  });

  it('is the same bytes when it is written again over the one before', async () => {
    const checkpoints = join(await freshFolder(), 'checkpoints');
    await write(checkpoints);
    await write(checkpoints);
    expect(await checkpointSteps(checkpoints)).toEqual([3]);
    for (const name of await readdir(written)) {
      expect(await readFile(join(checkpoints, 'step-3', name))).toEqual(await readFile(join(written, name)));
    }
  });
});

describe('a damaged checkpoint', () => {
  it('is refused for a flipped bit in any file of it, at its start, middle and end', async () => {
    for (const name of await readdir(written)) {
      const { size } = await stat(join(written, name));
      for (const [at, bit] of [
        [0, 0],
        [size >> 1, 3],
        [size - 1, 7],
      ] as const) {
        const copy = await copyOfCheckpoint();
        await flipBit(join(copy, name), at, bit);
        const problems = await refusalOf(() => verifyCheckpoint(copy, RUN));
        expect(problems, `${name}, byte ${at}`).toMatchObject([
          { code: 'checkpoint-damaged', details: { file: join(copy, name) } },
        ]);
        await flipBit(join(copy, name), at, bit);
        expect(await verifyCheckpoint(copy, RUN)).toMatchObject({ step: 3 });
      }
    }
  });

  it('is refused for a flipped bit anywhere in its state', async () => {
    const copy = await copyOfCheckpoint();
    const bytes = await readFile(join(copy, STATE));
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << (at % 8);
      await writeFile(join(copy, STATE), flipped);
      expect(codesOf(await refusalOf(() => verifyCheckpoint(copy, RUN))), `byte ${at}`).toEqual([
        'checkpoint-damaged',
      ]);
    }
  });

  it('is refused when a file is shorter, longer or gone', async () => {
    for (const name of await readdir(written)) {
      const path = (copy: string) => join(copy, name);
      const { size } = await stat(path(written));
      for (const length of [0, size - 1, size + 1]) {
        const copy = await copyOfCheckpoint();
        await truncate(path(copy), length);
        expect(codesOf(await refusalOf(() => verifyCheckpoint(copy, RUN))), name).toEqual([
          'checkpoint-damaged',
        ]);
      }
      const copy = await copyOfCheckpoint();
      await rm(path(copy));
      expect(await refusalOf(() => verifyCheckpoint(copy, RUN))).toMatchObject([
        { code: 'file-not-found', details: { file: path(copy) } },
      ]);
    }
  });

  it.each([
    '../outside',
    '../step-3/../outside',
    '/etc/hostname',
    '',
    '.',
    '..',
    'x/../../outside',
    '..\\outside',
  ])('is refused when its state names the file %j, whatever is there', async (name) => {
    const copy = await copyOfCheckpoint();
    await writeFile(join(copy, '..', 'outside'), 'x');
    await reseal(copy, (files) => (files[name] = sha256('x')));
    expect(codesOf(await refusalOf(() => verifyCheckpoint(copy, RUN)))).toEqual(['path-outside-folder']);
    // Negative control: a file inside the folder may be named.
    await writeFile(join(copy, 'inside'), 'x');
    await reseal(copy, (files) => {
      files['inside'] = files[name]!;
      Reflect.deleteProperty(files, name);
    });
    expect(await verifyCheckpoint(copy, RUN)).toMatchObject({ step: 3 });
  });

  it.each(['model.safetensors', 'optimizer.safetensors', 'selection-history.bin', 'config.json'])(
    'is refused when %s is there but its digest is not in the state',
    async (name) => {
      const copy = await copyOfCheckpoint();
      await reseal(copy, (files) => Reflect.deleteProperty(files, name));
      expect(await refusalOf(() => verifyCheckpoint(copy, RUN))).toMatchObject([
        { code: 'checkpoint-damaged', details: { file: join(copy, name) } },
      ]);
    },
  );

  it.each(['optimizer.safetensors', 'selection-history.bin'])(
    'is refused when %s is neither there nor in the state',
    async (name) => {
      const copy = await copyOfCheckpoint();
      await rm(join(copy, name));
      await reseal(copy, (files) => Reflect.deleteProperty(files, name));
      expect(codesOf(await refusalOf(() => verifyCheckpoint(copy, RUN)))).toEqual(['checkpoint-damaged']);
    },
  );

  it('is refused for weights that were put beside its own, not for a note', async () => {
    const copy = await copyOfCheckpoint();
    await writeFile(join(copy, 'notes.txt'), 'the best one');
    expect(await verifyCheckpoint(copy, RUN)).toMatchObject({ step: 3 });
    for (const name of ['model.safetensors.index.json', 'model-00001-of-00002.safetensors']) {
      await writeFile(join(copy, name), '{}');
      expect(codesOf(await refusalOf(() => verifyCheckpoint(copy, RUN))), name).toEqual([
        'checkpoint-damaged',
      ]);
      await rm(join(copy, name));
    }
  });

  it('is refused for a run of other settings, and says so', async () => {
    const [problem] = await refusalOf(() => verifyCheckpoint(written, 'another run'));
    expect(problem).toMatchObject({ code: 'checkpoint-other-run', details: { file: written } });
    expect(problem!.details.hint).toContain('--out');
  });

  it('that is no folder is refused by the name of its state', async () => {
    const nowhere = join(await freshFolder(), 'step-9');
    expect(await refusalOf(() => verifyCheckpoint(nowhere, RUN))).toMatchObject([
      { code: 'file-not-found', details: { file: join(nowhere, STATE) } },
    ]);
  });
});

describe('the folder of checkpoints', () => {
  it.each([
    [1, [10]],
    [2, [9, 10]],
    [9, [2, 9, 10]],
  ])('keeps the last %i', async (keepLast, kept) => {
    const checkpoints = join(await freshFolder(), 'checkpoints');
    for (const step of [2, 9, 10]) await write(checkpoints, keepLast, step);
    expect(await checkpointSteps(checkpoints)).toEqual(kept);
    for (const step of kept) {
      expect(await verifyCheckpoint(join(checkpoints, `step-${step}`), RUN)).toMatchObject({ step });
    }
  });

  it('loses what a killed run left half-written, and nothing that is not a checkpoint', async () => {
    const checkpoints = await freshFolder();
    for (const name of ['.step-2.77.tmp', 'step-best', 'notes']) await mkdir(join(checkpoints, name));
    await write(checkpoints, 1);
    expect((await readdir(checkpoints)).sort()).toEqual(['notes', 'step-3', 'step-best']);
  });

  it('lists steps by number and takes nothing else for a checkpoint', async () => {
    const checkpoints = await freshFolder();
    const names = [
      'step-10',
      'step-9',
      'step-100',
      'step-0',
      'step-07',
      'step-',
      'step-1.5',
      'xstep-3',
      `step-${'9'.repeat(40)}`,
    ];
    for (const name of [...names, '.step-11.77.tmp', 'step-12.tmp']) await mkdir(join(checkpoints, name));
    expect(await checkpointSteps(checkpoints)).toEqual([9, 10, 100]);
    expect(await checkpointSteps(join(checkpoints, 'nowhere'))).toEqual([]);
  });

  it('holds nothing new when writing fails, and still what it held', async () => {
    const checkpoints = join(await freshFolder(), 'checkpoints');
    await write(checkpoints, 1, 2);
    const optimizer = makeOptimizer(state.model);
    optimizer.dispose();
    const failing = writeCheckpoint(
      checkpoints,
      { ...state, optimizer },
      { runFingerprint: RUN, policyDirectory: policy, keepLast: 1 },
    );
    await expect(failing).rejects.toThrow();
    expect(await readdir(checkpoints)).toEqual(['step-2']);
    expect(await verifyCheckpoint(join(checkpoints, 'step-2'), RUN)).toMatchObject({ step: 2 });
  });
});
