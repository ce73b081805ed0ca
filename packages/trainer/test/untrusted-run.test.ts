/** Run folders that someone else has had a hand in, and two processes at one folder. */
import { existsSync, rmSync, statSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FolderLock, Interrupted, type ProgressListener } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import { freshFolder } from './fresh-folder.js';
import { codesOf, refusalOf } from './refusal.js';
import { linesOf, newRunFolder, runWith, writeRunInputs, type RunInputs } from './small-run.js';

const CONFIG = { maxSteps: 3, saveEvery: 1, saveTotalLimit: 1 };
const LOCK = '.writer.lock';

let inputs: RunInputs;

beforeAll(async () => {
  inputs = await writeRunInputs(12);
});

const goOn = (outDirectory: string) => runWith(inputs, { outDirectory, resume: true, config: CONFIG });

/** A run stopped after its second step, with a checkpoint. */
async function stoppedRun(): Promise<string> {
  const outDirectory = await newRunFolder();
  const controller = new AbortController();
  let done = 0;
  await expect(
    runWith(inputs, {
      outDirectory,
      config: CONFIG,
      listener: ({ type }) => type === 'progress' && ++done === 2 && controller.abort(),
      signal: controller.signal,
    }),
  ).rejects.toBeInstanceOf(Interrupted);
  expect(await readdir(join(outDirectory, 'checkpoints'))).toEqual(['step-2']);
  return outDirectory;
}

describe('a link in a run’s folder', () => {
  it.each(['checkpoints', 'final'])('in the place of %s is refused, and left as it is', async (name) => {
    const folder = await stoppedRun();
    const elsewhere = join(await freshFolder(), 'elsewhere');
    if (name === 'checkpoints') await rename(join(folder, name), elsewhere);
    else await mkdir(elsewhere);
    for (const own of ['step-1', '.thesis.tmp']) await mkdir(join(elsewhere, own));
    const before = await readdir(elsewhere);
    await symlink(elsewhere, join(folder, name));
    expect(await refusalOf(() => goOn(folder))).toMatchObject([
      { code: 'not-a-folder', details: { file: join(folder, name), found: 'a link' } },
    ]);
    expect(await readdir(elsewhere)).toEqual(before);
    // Negative control: without the link the run goes on.
    await rm(join(folder, name));
    if (name === 'checkpoints') await rename(elsewhere, join(folder, name));
    expect(await goOn(folder)).toMatchObject({ steps: 3 });
  });

  it('that comes while the run goes is refused as well', async () => {
    for (const name of ['checkpoints', 'final']) {
      const outDirectory = await newRunFolder();
      const elsewhere = await freshFolder();
      await mkdir(join(elsewhere, '.thesis.tmp'));
      let linked: Promise<void> | undefined;
      const run = runWith(inputs, {
        outDirectory,
        config: { ...CONFIG, saveEvery: 3 },
        listener: ({ type }) => {
          if (type === 'progress') linked ??= symlink(elsewhere, join(outDirectory, name));
        },
      });
      expect(codesOf(await refusalOf(() => run)), name).toEqual(['not-a-folder']);
      await linked;
      expect(await readdir(elsewhere)).toEqual(['.thesis.tmp']);
    }
  });
});

describe('a run whose folder is removed under it', () => {
  it.each([2, 0])(
    'is refused at what it publishes next, and makes no other folder (saveEvery %i)',
    async (saveEvery) => {
      const outDirectory = await newRunFolder();
      const listener: ProgressListener = ({ type }) => {
        if (type === 'progress') rmSync(outDirectory, { recursive: true, force: true });
      };
      const run = runWith(inputs, { outDirectory, config: { ...CONFIG, saveEvery }, listener });
      expect(codesOf(await refusalOf(() => run))).toEqual(['file-not-found']);
      expect(existsSync(outDirectory)).toBe(false);
    },
  );
});

describe('a run that is stopped behind a checkpoint', () => {
  it('does not write that checkpoint again: for a moment it would not be there', async () => {
    const outDirectory = await newRunFolder();
    const file = join(outDirectory, 'checkpoints', 'step-2', 'trainer-state.json');
    const controller = new AbortController();
    let [done, before] = [0, 0];
    const listener: ProgressListener = ({ type }) => {
      if (type !== 'progress' || ++done !== 2) return;
      before = statSync(file).ino;
      controller.abort();
    };
    const run = runWith(inputs, { outDirectory, config: CONFIG, listener, signal: controller.signal });
    await expect(run).rejects.toBeInstanceOf(Interrupted);
    expect(statSync(file).ino).toBe(before);
    // Nor does one that goes on from it and is stopped at once; negative control: one step later there is another.
    controller.abort();
    const resumed = { outDirectory, resume: true, config: CONFIG, signal: controller.signal };
    await expect(runWith(inputs, resumed)).rejects.toBeInstanceOf(Interrupted);
    expect(statSync(file).ino).toBe(before);
    expect(await goOn(outDirectory)).toMatchObject({ steps: 3 });
    expect(await readdir(join(outDirectory, 'checkpoints'))).toEqual(['step-3']);
  });
});

describe('two processes at one run', () => {
  it('the second is refused while the first trains, and nothing of the first is touched', async () => {
    const outDirectory = await newRunFolder();
    let second: Promise<string[]> | undefined;
    const first = await runWith(inputs, {
      outDirectory,
      config: CONFIG,
      listener: ({ type }) => {
        if (type === 'progress') second ??= refusalOf(() => goOn(outDirectory)).then(codesOf);
      },
    });
    expect(await second).toEqual(['run-busy']);
    expect(first.steps).toBe(3);
    expect((await linesOf(outDirectory)).map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(await readdir(outDirectory)).not.toContain(LOCK);
  });

  it('the first may be of another program; its temporaries stay while it holds the folder', async () => {
    const folder = await stoppedRun();
    const lock = await FolderLock.acquire(folder, { code: 'run-busy', what: 'run' });
    await mkdir(join(folder, '.final.77.tmp'));
    const [problem] = await refusalOf(() => goOn(folder));
    expect(problem).toMatchObject({ code: 'run-busy', details: { file: folder } });
    expect(await readdir(folder)).toContain('.final.77.tmp');
    await lock.release();
    expect(await goOn(folder)).toMatchObject({ steps: 3 });
    expect(await readdir(folder)).not.toContain('.final.77.tmp');
  });

  it('a lock is given back after an error and an interrupt, and one of a dead process is taken over', async () => {
    const folder = await stoppedRun();
    expect(await readdir(folder)).not.toContain(LOCK);
    const change = { outDirectory: folder, resume: true, config: { ...CONFIG, keep: 0.9 } };
    expect(codesOf(await refusalOf(() => runWith(inputs, change)))).toEqual(['run-differs']);
    expect(await readdir(folder)).not.toContain(LOCK);
    await writeFile(join(folder, LOCK), JSON.stringify({ pid: 4194304, host: hostname(), started: '' }));
    expect(await goOn(folder)).toMatchObject({ steps: 3 });
  });

  it('a foreign folder gets no lock', async () => {
    const folder = await freshFolder();
    await writeFile(join(folder, 'thesis.tex'), 'x');
    expect(codesOf(await refusalOf(() => runWith(inputs, { outDirectory: folder })))).toEqual([
      'folder-in-use',
    ]);
    expect(await readdir(folder)).toEqual(['thesis.tex']);
    expect(await readFile(join(folder, 'thesis.tex'), 'utf8')).toBe('x');
  });
});
