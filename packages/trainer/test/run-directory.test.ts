import { execFileSync } from 'node:child_process';
import { mkdir, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '@selective-dpo/foundation';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { resolveTrainingConfig } from '../src/config/resolve-config.js';
import { trainingConfigSchema, type TrainingConfig } from '../src/config/training-config.js';
import { prepareRunDirectory, readRun, runFingerprint, type RunIdentity } from '../src/run/run-directory.js';
import { freshFolder } from './fresh-folder.js';
import { codesOf, refusalOf } from './refusal.js';

const identity = (
  config: Partial<TrainingConfig> = {},
  change: Partial<Omit<RunIdentity, 'config'>> = {},
): RunIdentity => ({
  policySha256: 'a'.repeat(64),
  cacheManifestSha256: 'b'.repeat(64),
  engine: { name: 'wasm', precision: 'fp32', tfjs: '4.22.0' },
  ...change,
  config: { ...trainingConfigSchema.parse({}), ...config },
});

/** Prepares a folder and gives its lock back; whether it held an earlier part of the run. */
async function prepare(...parameters: Parameters<typeof prepareRunDirectory>): Promise<boolean> {
  const { earlier, lock } = await prepareRunDirectory(...parameters);
  await lock.release();
  return earlier;
}

/** A folder in which a run with the given settings was begun. */
async function begun(run = identity()): Promise<string> {
  const folder = join(await freshFolder(), 'run');
  expect(await prepare(folder, run, false)).toBe(false);
  return folder;
}

describe('a new run', () => {
  it.each([false, true])('makes its folder and describes itself, with resume %s', async (resume) => {
    const folder = join(await freshFolder(), 'deep', 'run');
    expect(await prepare(folder, identity({ keep: 0.3 }), resume)).toBe(false);
    expect((await readdir(folder)).sort()).toEqual(['config.yaml', 'run.json']);
    expect(JSON.parse(await readFile(join(folder, 'run.json'), 'utf8'))).toMatchObject(
      identity({ keep: 0.3 }),
    );
  });

  it('leaves a configuration that resolves to itself', async () => {
    const config = await resolveTrainingConfig(undefined, ['keep=0.3', 'learningRate=1e-6', 'seed=7']);
    const folder = await begun({ ...identity(), config });
    const file = join(folder, 'config.yaml');
    expect(parse(await readFile(file, 'utf8'))).toEqual(config);
    expect(await resolveTrainingConfig(file, [])).toEqual(config);
    expect(await resolveTrainingConfig(file, ['seed=8'])).not.toEqual(config);
  });

  it('takes an empty folder, and one with hidden files only', async () => {
    const folder = await freshFolder();
    await writeFile(join(folder, '.gitkeep'), '');
    expect(await prepare(folder, identity(), false)).toBe(false);
    expect(await readdir(folder)).toContain('run.json');
  });

  it.each([false, true])('refuses a folder that holds other things, with resume %s', async (resume) => {
    const folder = await freshFolder();
    await writeFile(join(folder, 'thesis.tex'), 'x');
    const problems = await refusalOf(() => prepare(folder, identity(), resume));
    expect(problems).toMatchObject([
      { code: 'folder-in-use', details: { file: folder, found: 'thesis.tex' } },
    ]);
    expect(await readdir(folder)).toEqual(['thesis.tex']);
  });

  it('refuses a file in the place of its folder, or above it', async () => {
    const file = join(await freshFolder(), 'file');
    await writeFile(file, 'x');
    for (const place of [file, join(file, 'run')]) {
      const problems = await refusalOf(() => prepare(place, identity(), false));
      expect(problems).toMatchObject([{ code: 'not-a-folder', details: { file } }]);
    }
    expect(await readFile(file, 'utf8')).toBe('x');
  });
});

describe('a folder that holds a run', () => {
  it('is refused without resume, and says how to go on', async () => {
    const folder = await begun();
    const [problem] = await refusalOf(() => prepare(folder, identity(), false));
    expect(problem).toMatchObject({ code: 'run-exists', details: { file: folder } });
    expect(problem!.details.hint).toContain('--resume');
  });

  it('is gone on with when nothing differs', async () => {
    const folder = await begun();
    await mkdir(join(folder, 'checkpoints'));
    expect(await prepare(folder, identity(), true)).toBe(true);
  });

  it('is refused for other settings, each named with both values', async () => {
    const folder = await begun();
    const wanted = identity({ keep: 0.5, loss: 'ipo', seed: 0 }, { policySha256: 'c'.repeat(64) });
    const problems = await refusalOf(() => prepare(folder, wanted, true));
    expect(
      problems.map(({ code, details: { field, found, expected } }) => [code, field, found, expected]),
    ).toEqual(
      expect.arrayContaining([
        ['run-differs', 'config.keep', '0.5', '0.4'],
        ['run-differs', 'config.loss', '"ipo"', '"sigmoid"'],
        ['run-differs', 'policySha256', `"${'c'.repeat(64)}"`, `"${'a'.repeat(64)}"`],
      ]),
    );
    expect(problems).toHaveLength(3);
  });

  it('is refused for another cache or another engine, and for an engine’s figure that came or went', async () => {
    const folder = await begun();
    const fields = async (change: Partial<RunIdentity>) =>
      (await refusalOf(() => prepare(folder, identity({}, change), true))).map(
        ({ details: { field, found, expected } }) => [field, found, expected],
      );
    expect(await fields({ cacheManifestSha256: 'x' })).toEqual([
      ['cacheManifestSha256', '"x"', `"${'b'.repeat(64)}"`],
    ]);
    expect(await fields({ engine: { name: 'cpu', precision: 'fp32', simd: 'yes' } })).toEqual([
      ['engine.name', '"cpu"', '"wasm"'],
      ['engine.tfjs', 'nothing', '"4.22.0"'],
      ['engine.simd', '"yes"', 'nothing'],
    ]);
  });

  it('may be gone on with under another saveEvery and saveTotalLimit, which change no value', async () => {
    const folder = await begun();
    const wanted = identity({ saveEvery: 3, saveTotalLimit: 9 });
    expect(await prepare(folder, wanted, true)).toBe(true);
    expect(runFingerprint(wanted)).toBe(runFingerprint(identity()));
  });

  it('may be gone on with under a memory limit of the same size, and under no other', async () => {
    const limited = (memoryLimit: string) => identity({ memoryLimit });
    const folder = await begun(limited('16GiB'));
    for (const same of ['16GiB', '17179869184B', '16384 mib']) {
      expect(await prepare(folder, limited(same), true)).toBe(true);
      expect(runFingerprint(limited(same))).toBe(runFingerprint(limited('16GiB')));
    }
    for (const other of ['16GB', '8GiB', 'none']) {
      const problems = await refusalOf(() => prepare(folder, limited(other), true));
      expect(problems).toMatchObject([
        {
          code: 'run-differs',
          details: {
            file: join(folder, 'run.json'),
            field: 'config.memoryLimit',
            found: `"${other}"`,
            expected: '"16GiB"',
            hint: expect.stringContaining('--memory-limit') as string,
          },
        },
      ]);
      expect(runFingerprint(limited(other))).not.toBe(runFingerprint(limited('16GiB')));
    }
  });

  it.each(['', '{"config":', 'null', '7'])('is refused when its description is %j', async (text) => {
    const folder = await begun();
    await writeFile(join(folder, 'run.json'), text);
    expect(codesOf(await refusalOf(() => prepare(folder, identity(), true)))).toEqual(['run-damaged']);
  });

  it('is refused when its description is of something else', async () => {
    const folder = await begun();
    await writeFile(join(folder, 'run.json'), '{"name":"an npm package"}');
    const problems = await refusalOf(() => prepare(folder, identity(), true));
    expect(new Set(codesOf(problems))).toEqual(new Set(['run-differs']));
    expect(problems.map(({ details }) => details.field)).toEqual(
      expect.arrayContaining(['name', 'policySha256', 'config.keep']),
    );
  });

  it('is refused for every bit that flips in its description, or it is read as what it is', async () => {
    const folder = await begun();
    const file = join(folder, 'run.json');
    const bytes = await readFile(file);
    const outcomes = { refused: 0, read: 0 };
    for (let bit = 0; bit < 8 * bytes.length; bit += 5) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(file, flipped);
      try {
        expect(await readRun(folder), `bit ${bit}`).toEqual(identity());
        outcomes.read++;
      } catch (error) {
        expect(error, `bit ${bit}`).toBeInstanceOf(InputError);
        outcomes.refused++;
      }
    }
    // Read: a letter of the word `digest`, without which it is a description of an earlier version.
    expect(outcomes.read).toBeLessThan(12);
    expect(outcomes.refused).toBeGreaterThan(1000);
    // Negative control: of that version another number is another run, and no damage.
    const { digest, ...content } = JSON.parse(bytes.toString('utf8')) as RunIdentity & { digest: string };
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    await writeFile(file, JSON.stringify({ ...content, config: { ...content.config, seed: 99 } }));
    expect((await readRun(folder)).config.seed).toBe(99);
  });

  it('is refused when its description is nested beyond all measure, or far too large', async () => {
    const folder = await begun();
    const file = join(folder, 'run.json');
    await writeFile(file, '{"a":'.repeat(170_000) + '1' + '}'.repeat(170_000));
    const own = (code: string) => [{ code, details: { file } }];
    expect(await refusalOf(() => prepare(folder, identity(), true))).toMatchObject(own('run-damaged'));
    await truncate(file, 0);
    await truncate(file, 3 * 2 ** 30);
    expect(await refusalOf(() => prepare(folder, identity(), true))).toMatchObject(own('file-too-large'));
  });

  it('is refused when its description is a pipe, without waiting for a writer', async () => {
    const folder = await begun();
    const file = join(folder, 'run.json');
    await rm(file);
    execFileSync('mkfifo', [file]);
    expect(codesOf(await refusalOf(() => prepare(folder, identity(), true)))).toEqual(['not-a-file']);
  });

  it('is refused when its description is a folder', async () => {
    const folder = await begun();
    await rm(join(folder, 'run.json'));
    await mkdir(join(folder, 'run.json'));
    expect(codesOf(await refusalOf(() => prepare(folder, identity(), true)))).toEqual(['not-a-file']);
  });

  it('gets its configuration again when a kill came before that was written', async () => {
    const folder = await begun();
    const text = await readFile(join(folder, 'config.yaml'), 'utf8');
    await rm(join(folder, 'config.yaml'));
    expect(await prepare(folder, identity(), true)).toBe(true);
    expect(await readFile(join(folder, 'config.yaml'), 'utf8')).toBe(text);
  });

  it('loses what a killed run had half-written, and nothing else', async () => {
    const folder = await begun();
    await mkdir(join(folder, '.final.123.tmp'));
    await mkdir(join(folder, '.notes'));
    await writeFile(join(folder, 'notes.tmp'), '');
    await prepare(folder, identity(), true);
    expect((await readdir(folder)).sort()).toEqual(['.notes', 'config.yaml', 'notes.tmp', 'run.json']);
  });
});

describe('runFingerprint', () => {
  it('differs for every setting that may change a value, and for policy, cache and engine', () => {
    const own = runFingerprint(identity());
    const others = [
      ...[identity({ keep: 0.41 }), identity({ seed: 1 }), identity({ microBatchTokens: 4095 })],
      ...[identity({}, { policySha256: 'x' }), identity({}, { cacheManifestSha256: 'x' })],
      identity({}, { engine: { name: 'wasm', precision: 'fp32', tfjs: '4.23.0' } }),
    ].map(runFingerprint);
    expect(new Set([own, ...others]).size).toBe(others.length + 1);
  });

  it('does not depend on the order of keys', () => {
    const { config, engine, ...rest } = identity();
    const reversed = (value: object) => Object.fromEntries(Object.entries(value).reverse());
    const other = { engine: reversed(engine), config: reversed(config), ...rest } as unknown as RunIdentity;
    expect(JSON.stringify(other)).not.toBe(JSON.stringify(identity()));
    expect(runFingerprint(other)).toBe(runFingerprint(identity()));
  });
});
