import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InputError, canonicalJson, describeProblem, sha256 } from '@selective-dpo/foundation';
import { resolveTrainingConfig } from '@selective-dpo/trainer';
import { refusalOf } from '../../trainer/test/refusal.js';
import { runDigest } from '../src/plan/planned-run.js';
import { planSweep, trainArguments, type SweepPlan } from '../src/index.js';
import { planOf, sweepFile } from './written-sweep.js';

const namesOf = ({ runs }: SweepPlan) => runs.map(({ name }) => name);

/** `line code` of each problem. */
const problemsOf = async (lines: string | string[]) => {
  const file = await sweepFile(lines, 'bad.yaml');
  return (await refusalOf(() => planSweep(file))).map(({ code, details }) => {
    expect(details.file).toBe(file);
    return `${details.line} ${code}`;
  });
};

describe('the runs of a sweep', () => {
  it('are the product of named runs, list, grid and seeds, each resolved', async () => {
    const plan = await planOf(
      'base: {engine: wasm, beta: 0.3}',
      'grid: {keep: [0.2, 0.4]}',
      'list: [{learningRate: 1e-5, warmupSteps: 2}, {learningRate: 1e-4}]',
      'runs: {plain: , ipo: {loss: ipo}}',
      'seeds: [3, 4]',
    );
    expect(plan.runs).toHaveLength(2 * 2 * 2 * 2);
    expect(plan.sweptKeys).toEqual(['run', 'keep', 'learningRate', 'warmupSteps', 'loss']);
    expect(namesOf(plan).slice(0, 3)).toEqual([
      'plain_keep=0.2_learningRate=0.00001_warmupSteps=2_seed=3',
      'plain_keep=0.2_learningRate=0.00001_warmupSteps=2_seed=4',
      'plain_keep=0.4_learningRate=0.00001_warmupSteps=2_seed=3',
    ]);
    const last = plan.runs.at(-1)!;
    expect(last.made.config).toMatchObject({
      engine: 'wasm',
      beta: 0.3,
      keep: 0.4,
      loss: 'ipo',
      seed: 4,
      warmupSteps: 0,
    });
    expect(last.values).toEqual({ run: 'ipo', keep: 0.4, learningRate: 1e-4, warmupSteps: 0, loss: 'ipo' });
    expect(new Set(plan.runs.map(({ digest }) => digest)).size).toBe(16);
  });

  it('have a key that depends on what they are made of, not on what they are called', async () => {
    const [one] = (await planOf('grid: {keep: [0.4]}')).runs;
    const more = await planOf('grid: {keep: [0.4, 1], beta: [0.1, 0.2]}');
    expect(more.runs.map(({ digest }) => digest)).toContain(one!.digest);
    expect(namesOf(more)).not.toContain(one!.name);
    const [other] = (
      await planSweep(await sweepFile(['policy: policy', 'cache: other', 'grid: {keep: [0.4]}']))
    ).runs;
    expect(other!.key).not.toBe(one!.key);
    expect(one!.folder).toBe(`keep=0.4-${one!.digest.slice(0, 8)}`);
  });

  it('take every named cache, unless settings choose', async () => {
    const named = ['policy: policy', 'cache: {strong: cache, weak: other}'];
    const all = await planSweep(await sweepFile(named));
    expect([namesOf(all), all.sweptKeys]).toEqual([['cache=strong', 'cache=weak'], ['cache']]);
    const chosen = await planSweep(await sweepFile([...named, 'grid: {cache: [weak]}']));
    expect(chosen.runs.map(({ cacheDirectory }) => basename(cacheDirectory))).toEqual(['other']);
    const paths = await planSweep(await sweepFile(['policy: policy', 'grid: {cache: [cache, other]}']));
    expect(paths.runs).toHaveLength(2);
  });

  it('have folders whose names every shell takes, whatever the run is called', async () => {
    const { runs } = await planOf('runs: {"=1+1, a/b": {keep: 1}, "-x": {keep: 0.5}, "..": {keep: 0.7}}');
    expect(runs.map(({ name }) => name)).toEqual(['=1+1, a/b', '-x', '..']);
    for (const { folder } of runs) expect(folder).toMatch(/^[\w=][\w.=+-]*-[0-9a-f]{8}$/);
  });

  it('are trained by words that are read back as their settings', async () => {
    const { runs } = await planOf(
      'base: {memoryLimit: 1GiB, learningRate: 3e-7, maxSteps: -1}',
      'grid: {shuffle: [true, false]}',
    );
    for (const run of runs) {
      const words = trainArguments(run, 'out');
      const settings = words.slice(words.indexOf('--resume') + 1);
      expect(await resolveTrainingConfig(undefined, settings)).toEqual(run.made.config);
    }
  });
});

describe('the key of a run', () => {
  it('is that of before there was refTrust, until it is set', async () => {
    const sources = { policySha256: 'p', cacheManifestSha256: 'c' };
    const digest = async (...words: string[]) =>
      runDigest({ ...sources, config: await resolveTrainingConfig(undefined, words) });
    const config = Object.entries(await resolveTrainingConfig(undefined, []));
    const before = Object.fromEntries(config.filter(([key]) => !key.startsWith('refTrust')));
    expect(await digest()).toBe(sha256(canonicalJson({ ...sources, config: before })));
    const set = ['refTrust=drop', 'refTrust=weight'].map((word) => digest(word));
    expect(new Set([await digest(), ...(await Promise.all(set))]).size).toBe(3);
    expect(await digest('refTrust=weight', 'refTrustScale=1')).not.toBe(await digest('refTrust=weight'));
  });
});

describe('a bad sweep file', () => {
  it('is refused with all its problems, each with its line', async () => {
    const lines = [
      'policy: nowhere',
      'cache:',
      '  a: cache',
      '  a: other',
      'base:',
      '  engin: wasm',
      '  maxSteps: many',
      'batchSize: 4',
      'grid:',
      '  keep: []',
      '  kep: [1, 2]',
      '  beta: [0.1, 0.1, -1]',
      '  cache: [b]',
      'runs:',
      '  dpo: {keep: 1}',
      '  dpo: {keep: 0.5}',
      'seeds: [0, 1.5]',
      'list: []',
    ];
    expect(await problemsOf(lines)).toEqual([
      '1 sweep-source',
      '4 sweep-duplicate',
      '6 config-unknown-key',
      '7 config-value',
      '8 sweep-unknown-key',
      '10 sweep-empty',
      '11 config-unknown-key',
      '12 sweep-duplicate',
      '12 config-value',
      '13 sweep-source',
      '16 sweep-duplicate',
      '17 config-value',
      '18 sweep-empty',
    ]);
  });

  it('is refused for runs that are the same, by other names', async () => {
    const head = ['policy: policy', 'cache: cache'];
    expect(await problemsOf([...head, 'runs:', '  a: {keep: 0.4}', '  b:', '  c: {keep: 1}'])).toEqual([
      '5 sweep-duplicate',
    ]);
    expect(await problemsOf([...head, 'list:', '  - {beta: 0.1}', '  - {keep: 0.4}'])).toEqual([
      '5 sweep-duplicate',
    ]);
    // Negative control: other values.
    expect((await planOf('list:', '  - {beta: 0.1}', '  - {keep: 0.5}')).runs).toHaveLength(2);
  });

  it('is refused for names that a terminal would obey', async () => {
    const head = ['policy: policy', 'cache: cache'];
    expect(await problemsOf([...head, 'runs:', '  "a\\e[2J": {keep: 1}'])).toEqual(['4 sweep-name']);
    expect(await problemsOf(['policy: policy', 'cache: {"\\e[2J": cache, b: other}'])).toEqual([
      '2 sweep-name',
    ]);
    expect(await problemsOf([...head, `runs: {${'x'.repeat(101)}: {keep: 1}}`])).toEqual(['3 sweep-name']);
  });

  it('is refused where two parts set one key, or a policy or cache is missing', async () => {
    const two = [
      'policy: policy',
      'cache: cache',
      'grid:',
      '  seed: [1]',
      'seeds: [2]',
      'runs:',
      '  a: {seed: 4}',
    ];
    expect(await problemsOf(two)).toEqual(['5 sweep-two-parts', '7 sweep-two-parts']);
    expect(await problemsOf(['cache: cache'])).toEqual(['1 sweep-source']);
    const some = ['policy: policy', 'runs:', '  a: {cache: cache}', '  b: {keep: 1}'];
    expect(await problemsOf(some)).toEqual(['4 sweep-source']);
    const shape = [
      'policy: policy',
      'cache: cache',
      'base: [1]',
      'grid: {keep: 0.4}',
      'list: [[1]]',
      'runs: {a: 1}',
    ];
    expect(await problemsOf(shape)).toEqual([
      '3 sweep-shape',
      '4 sweep-shape',
      '5 sweep-shape',
      '6 sweep-shape',
    ]);
  });

  it('is refused with the unfinished cache it names', async () => {
    const file = await sweepFile(['policy: policy', 'cache: empty'], 'bad.yaml');
    const empty = join(dirname(file), 'empty');
    await mkdir(empty, { recursive: true });
    expect((await refusalOf(() => planSweep(file))).map(describeProblem)).toEqual([
      expect.stringContaining('there is no reference cache in this folder'),
    ]);
  });

  it('is refused in bounded time when it is large, deep, or not YAML', async () => {
    const many = [
      'policy: policy',
      'cache: cache',
      `seeds: [${Array.from({ length: 101 }, (_, i) => i).join()}]`,
    ];
    const keeps = Array.from({ length: 100 }, (_, i) => (i + 1) / 100);
    expect(await problemsOf([...many, `grid: {keep: [${keeps.join()}]}`])).toEqual([
      'undefined sweep-too-large',
    ]);
    const deep = [
      '['.repeat(9),
      '- '.repeat(20),
      Array.from({ length: 30 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    ];
    for (const text of deep) expect(await problemsOf(text)).toEqual(['undefined sweep-yaml']);
    expect(await problemsOf('grid: {keep: [1\n')).toEqual(['2 sweep-yaml', '2 sweep-yaml']);
    expect(await problemsOf('"'.repeat(50_000))).toHaveLength(100);
    const large = await sweepFile('', 'large.yaml');
    await writeFile(large, 'x'.repeat((1 << 20) + 1));
    expect((await refusalOf(() => planSweep(large))).map(({ code }) => code)).toEqual(['file-too-large']);
  });
});

describe('a policy that is no folder', () => {
  const knows = (given: string) => given.startsWith('org/');

  it('is asked for once by its name, after all that costs nothing, and trained from where it was found', async () => {
    const asked: string[][] = [];
    const locate = (given: string, path: string) => {
      asked.push([given, path]);
      return Promise.resolve(join(dirname(path), '..', 'policy'));
    };
    const file = await sweepFile(['policy: org/name', 'cache: cache', 'seeds: [0, 1]']);
    const { runs } = await planSweep(file, { knows, locate });
    const folder = dirname(file);
    expect(asked).toEqual([['org/name', join(folder, 'org', 'name')]]);
    expect(runs.map(({ policyDirectory }) => policyDirectory)).toEqual([
      join(folder, 'policy'),
      join(folder, 'policy'),
    ]);
    const plain = await planOf('seeds: [0, 1]');
    expect(plain.runs.map(({ digest }) => digest)).toEqual(runs.map(({ digest }) => digest));
    const refused = async (...lines: string[]) => {
      const broken = await sweepFile(lines, 'broken.yaml');
      return (await refusalOf(() => planSweep(broken, { knows, locate }))).map(({ details }) => details.line);
    };
    // With another problem nothing is fetched; folders that are missing are all told of.
    expect(await refused('policy: org/name', 'cache: absent')).toEqual([2]);
    expect(await refused('policy: absent', 'cache: absent')).toEqual([1, 2]);
    expect(asked).toHaveLength(1);
  });

  it('and is known to nobody is told of with its line', async () => {
    const file = await sweepFile(['cache: cache', 'policy: org/name']);
    const locate = () =>
      Promise.reject(
        new InputError('hub-model-missing', 'no such model', { file: 'org/name', hint: 'check the name' }),
      );
    expect(await refusalOf(() => planSweep(file, { knows, locate }))).toMatchObject([
      { code: 'hub-model-missing', details: { file, line: 2, field: 'org/name', hint: 'check the name' } },
    ]);
    // Without anybody to ask it is a folder that is missing.
    expect(await refusalOf(() => planSweep(file))).toMatchObject([
      { code: 'sweep-source', details: { line: 2 } },
    ]);
  });
});
