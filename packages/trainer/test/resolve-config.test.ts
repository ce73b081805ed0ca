import { execFileSync } from 'node:child_process';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describeProblem } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { resolveTrainingConfig } from '../src/config/resolve-config.js';
import { TRAINING_KEYS, describeTrainingKeys, trainingConfigSchema } from '../src/config/training-config.js';
import { freshFolder } from './fresh-folder.js';
import { codesOf, refusalOf } from './refusal.js';

const words = (...overrides: string[]) => resolveTrainingConfig(undefined, overrides);

async function fileOf(text: string): Promise<string> {
  const file = join(await freshFolder(), 'run.yaml');
  await writeFile(file, text);
  return file;
}

const yaml = async (text: string, ...overrides: string[]) =>
  resolveTrainingConfig(await fileOf(text), overrides);

describe('what a configuration resolves to', () => {
  it('is the documented defaults where nothing is given', async () => {
    const config = await words();
    expect(config).toMatchObject({
      ...{ keep: 0.4, selection: 'quantile', beta: 0.1, loss: 'sigmoid', labelSmoothing: 0, rpoAlpha: 0 },
      ...{ learningRate: 1e-6, lrSchedule: 'linear', warmupSteps: 0, batchSize: 8, epochs: 1, maxSteps: -1 },
      ...{ gradientAccumulationSteps: 1, seed: 0, evalFraction: 0, saveEvery: 0, saveTotalLimit: 2 },
      ...{ maxGradNorm: 1, shuffle: true, engine: 'auto', precision: 'fp32', activations: 'keep' },
    });
    expect(Object.keys(config)).toEqual(TRAINING_KEYS);
  });

  it('is the file over the defaults and a word over the file', async () => {
    const config = await yaml('keep: 0.25\nbeta: 0.2 # a comment\n', 'beta=0.3');
    expect(config).toEqual({ ...(await words()), keep: 0.25, beta: 0.3 });
    expect((await yaml('beta: 0.2\n')).beta).toBe(0.2);
  });

  it('is the last of two equal words', async () => {
    expect((await words('keep=0.1', 'keep=0.9')).keep).toBe(0.9);
    expect((await words('keep=0.9', 'keep=0.1')).keep).toBe(0.1);
  });

  it.each(['', '\n', '# nothing but a comment\n'])('is the defaults for the empty file %j', async (text) => {
    expect(await yaml(text)).toEqual(await words());
  });

  it.each([
    ['learningRate=1e-6', 'learningRate', 1e-6],
    ['learningRate=5E-7', 'learningRate', 5e-7],
    ['adamEpsilon=.5', 'adamEpsilon', 0.5],
    ['seed=0x10', 'seed', 16],
    ['seed=9007199254740991', 'seed', Number.MAX_SAFE_INTEGER],
    ['shuffle=false', 'shuffle', false],
    ['keep= 1', 'keep', 1],
    ['maxSteps=-1', 'maxSteps', -1],
    ['selection=top-k', 'selection', 'top-k'],
  ] as const)('reads the word %j as YAML does', async (word, key, value) => {
    expect((await words(word))[key]).toBe(value);
  });

  it('reads 1e-6 in a file as a number, and an alias as what it stands for', async () => {
    expect((await yaml('learningRate: 1e-6\n')).learningRate).toBe(1e-6);
    expect(await yaml('keep: &share 0.25\nevalFraction: *share\n')).toMatchObject({
      keep: 0.25,
      evalFraction: 0.25,
    });
  });

  it('has a line of help for every key, with the default that an empty configuration has', async () => {
    const config = await words();
    for (const { key, default: text, meaning } of describeTrainingKeys()) {
      expect(text).toBe(String(config[key]));
      expect(meaning, key).not.toBe('');
    }
  });
});

describe('keys that are refused', () => {
  it.each([
    ['lerningRate=1', 'learningRate'],
    ['Batch_size=4', 'batchSize'],
    ['SAVE-EVERY=4', 'saveEvery'],
    ['bta=1', 'beta'],
  ])('%j with a suggestion', async (word, suggestion) => {
    const [problem, ...others] = await refusalOf(() => words(word));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({
      code: 'config-unknown-key',
      details: { file: `argument ${JSON.stringify(word)}`, hint: `did you mean ${suggestion}?` },
    });
  });

  it('one that is like no other, with the list of all keys and no suggestion', async () => {
    const [problem] = await refusalOf(() => words('temperature=1'));
    expect(problem!.details.hint).not.toContain('did you mean');
    for (const key of TRAINING_KEYS) expect(problem!.details.expected).toContain(key);
  });

  it.each(['__proto__', 'constructor', 'toString', 'prototype', 'hasOwnProperty'])(
    'the name %s that every object has',
    async (key) => {
      expect(codesOf(await refusalOf(() => words(`${key}=1`)))).toEqual(['config-unknown-key']);
      const [problem] = await refusalOf(() => yaml(`keep: 0.5\n${key}: {keep: 1}\n`));
      expect(problem).toMatchObject({
        code: 'config-unknown-key',
        details: { line: 2, found: JSON.stringify(key) },
      });
      expect(({} as Record<string, unknown>)['keep']).toBeUndefined();
    },
  );

  it('a key that is not a text', async () => {
    for (const text of ['? [keep]\n: 1\n', '1: 1\n', 'null: 1\n', 'outer: &a {keep: 1}\n<<: *a\n']) {
      expect(new Set(codesOf(await refusalOf(() => yaml(text)))), text).toEqual(
        new Set(['config-unknown-key']),
      );
    }
  });

  it.each(['keep', '=0.4', '', '--keep'])('the word %j that is no key=value', async (word) => {
    const [problem] = await refusalOf(() => words(word));
    expect(problem).toMatchObject({
      code: 'config-word',
      details: { found: JSON.stringify(word), expected: 'key=value' },
    });
  });
});

describe('values that are refused', () => {
  it.each([
    // Wrong types.
    ['keep=half', '"half"', 'a number'],
    ['keep="0.4"', '"0.4"', 'a number'],
    ['keep=', '""', 'a number'],
    ['memoryLimit=', '""', 'none, or a size such as 16GiB, 800MiB or 12.5GB'],
    ['memoryLimit=~', 'null', 'none, or a size such as 16GiB, 800MiB or 12.5GB'],
    ['keep=true', 'true', 'a number'],
    ['keep=[0.4]', '"[0.4]"', 'a number'],
    ['keep={a: 1}', '"{a: 1}"', 'a number'],
    ['keep=[1', '"[1"', 'a number'],
    ['batchSize=1.5', '1.5', 'a whole number'],
    ['shuffle=yes', '"yes"', 'a boolean'],
    ['shuffle=1', '1', 'a boolean'],
    ['loss=hinge', '"hinge"', 'one of sigmoid, ipo, sft, distillation'],
    ['engine=TensorFlow', '"TensorFlow"', 'one of auto, tensorflow, webgpu, wasm, cpu'],
    // Not finite.
    ['keep=.nan', 'NaN', 'a number'],
    ['keep=NaN', '"NaN"', 'a number'],
    ['learningRate=.inf', 'Infinity', 'a number'],
    ['learningRate=-.inf', '-Infinity', 'a number'],
    ['learningRate=1e400', 'Infinity', 'a number'],
    // Out of range, on either side of each kind of limit.
    ['keep=0', '0', 'more than 0'],
    ['keep=1.0000001', '1.0000001', 'at most 1'],
    ['labelSmoothing=0.5', '0.5', 'less than 0.5'],
    ['labelSmoothing=-0.1', '-0.1', 'at least 0'],
    ['evalFraction=1', '1', 'less than 1'],
    ['adamBeta2=1', '1', 'less than 1'],
    ['batchSize=0', '0', 'at least 1'],
    ['seed=-1', '-1', 'at least 0'],
    ['maxSteps=-2', '-2', 'at least -1'],
    ['maxSteps=0', '0', '-1 (off) or at least 1'],
    ['spanWindow=4', '4', 'an odd number'],
    ['batchSize=1e20', '100000000000000000000', 'at most 9007199254740991'],
    ['seed=9007199254740992', '9007199254740992', 'at most 9007199254740991'],
  ])('%s', async (word, found, expected) => {
    const problems = await refusalOf(() => words(word));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({
      code: 'config-value',
      message: expect.stringContaining(word.slice(0, word.indexOf('='))) as string,
      details: { file: `argument ${JSON.stringify(word)}`, found, expected },
    });
  });

  it('but not those just inside of their limits', async () => {
    const config = await words(
      ...['keep=1', 'labelSmoothing=0.4999', 'labelSmoothing=0', 'evalFraction=0.999', 'adamBeta2=0'],
      ...['batchSize=1', 'maxSteps=1', 'spanWindow=1', 'maxGradNorm=0', 'learningRate=5e-324'],
    );
    expect(trainingConfigSchema.parse(config)).toEqual(config);
    expect(config.learningRate).toBe(5e-324);
  });

  it('by the line of the file they stand in', async () => {
    const file = await fileOf('beta: 0.1\n\nbatchSize: many\n');
    const [problem] = await refusalOf(() => resolveTrainingConfig(file, []));
    expect(problem!.details).toMatchObject({ file, line: 3, found: '"many"' });
  });

  it('unless a later word takes their place', async () => {
    expect((await yaml('batchSize: many\n', 'batchSize=2')).batchSize).toBe(2);
    expect(codesOf(await refusalOf(() => yaml('batchSize: 2\n', 'batchSize=many')))).toEqual([
      'config-value',
    ]);
  });
});

describe('problems', () => {
  it('are reported all at once, from the file and from the words', async () => {
    const file = await fileOf('keep: 2\nlerningRate: 1\nbeta: 0.1\nloss: hinge\n');
    const problems = await refusalOf(() => resolveTrainingConfig(file, ['seed', 'epochs=0', 'warmup=3']));
    expect(
      problems.map(({ code, details }) => [code, details.line ?? details.file ?? details.found]).sort(),
    ).toEqual(
      [
        ['config-value', 1],
        ['config-unknown-key', 2],
        ['config-value', 4],
        ['config-word', '"seed"'],
        ['config-value', 'argument "epochs=0"'],
        ['config-unknown-key', 'argument "warmup=3"'],
      ].sort(),
    );
  });

  it('of a file that gives a key twice name the second line', async () => {
    const [problem, ...others] = await refusalOf(() => yaml('keep: 0.5\nbeta: 1\nkeep: 0.5\n'));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ code: 'config-yaml', details: { line: 3 } });
    expect(problem!.message).toContain('unique');
  });

  it.each([
    ['- keep: 0.4\n', 'not a mapping'],
    ['keep\n', 'not a mapping'],
    ['0.4\n', 'not a mapping'],
    ['null\n', 'not a mapping'],
  ])('of the file %j say that it is no mapping', async (text, message) => {
    expect(await refusalOf(() => yaml(text))).toMatchObject([{ code: 'config-yaml', message }]);
  });

  it.each(['keep: [0.4\n', 'keep: 0.4\n\tbeta: 1\n', 'keep: *nowhere\n', 'keep: 1\n---\nkeep: 0.5\n'])(
    'of the file %j, which is not one YAML document, name its line',
    async (text) => {
      const problems = await refusalOf(() => yaml(text, 'lerningRate=1'));
      expect(new Set(codesOf(problems))).toEqual(new Set(['config-yaml', 'config-unknown-key']));
      expect(problems[0]!.details.line).toBeGreaterThan(0);
    },
  );

  it('of a file that cannot be read are typed: none there, a folder, far too large', async () => {
    const folder = await freshFolder();
    const of = (name: string) => refusalOf(() => resolveTrainingConfig(join(folder, name), []));
    expect(codesOf(await of('nowhere.yaml'))).toEqual(['file-not-found']);
    await mkdir(join(folder, 'folder'));
    expect(codesOf(await of('folder'))).toEqual(['not-a-file']);
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    for (const name of ['pipe', '/dev/zero']) {
      expect(codesOf(await refusalOf(() => resolveTrainingConfig(resolve(folder, name), [])))).toEqual([
        'not-a-file',
      ]);
    }
    for (const bytes of [(64 << 10) + 1, 3 * 2 ** 30]) {
      const file = join(folder, `large-${bytes}`);
      await writeFile(file, 'keep: 1\n');
      await truncate(file, bytes);
      expect(codesOf(await of(`large-${bytes}`)), `${bytes} bytes`).toEqual(['file-too-large']);
    }
  });
});

describe('a text that no one writes for a configuration', () => {
  const nested = {
    'flow lists': '['.repeat(60_000),
    'closed flow lists': `keep: ${'['.repeat(30_000)}${']'.repeat(30_000)}`,
    'flow mappings': 'keep: ' + '{a: '.repeat(15_000),
    'lists of lists in one line': '- '.repeat(30_000),
    'lists of lists with tabs': '-\t'.repeat(30_000),
    'keys of keys': '? '.repeat(30_000),
    'keys of keys, a hundred': `keep:\n  ${'? '.repeat(100)}x`,
    'mappings as keys of mappings': `keep: ${'{'.repeat(150)}x${'}'.repeat(150)}`,
    'lists as keys of lists': `? ${'['.repeat(150)}${']'.repeat(150)}\n: 1`,
    'keys by indentation': Array.from({ length: 150 }, (_, i) => `${' '.repeat(i)}?`).join('\n'),
    'lists whose levels look closed': '[ #]\n'.repeat(10_000),
    'lists behind what looks like a comment': `{'x #': ${'['.repeat(60_000)}`,
    'mappings by indentation': Array.from({ length: 350 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    tags: 'keep: ' + '!a '.repeat(20_000),
    anchors: 'keep: ' + '&a '.repeat(20_000),
    colons: ': '.repeat(30_000),
    documents: '---\n'.repeat(15_000),
    'aliases of aliases': `keep: [&a0 [x], ${Array.from({ length: 60 }, (_, i) => `&a${i + 1} [*a${i}, *a${i}]`).join()}]`,
  };

  it.each(Object.entries(nested))('is refused at once, by a few lines: %s', async (_, text) => {
    const started = performance.now();
    const problems = await refusalOf(() => yaml(text));
    expect(performance.now() - started).toBeLessThan(5000);
    expect(problems.length).toBeLessThan(3);
    for (const { message } of problems) expect(message).not.toContain('call stack');
    const word = await refusalOf(() => words(`keep=${text}`));
    expect(codesOf(word)).toEqual(['config-value']);
    expect(word[0]!.details.found!.length).toBeLessThan(300);
  });

  it('with thousands of keys is refused at once by one line, with a few dozen by one for each', async () => {
    const keys = (count: number) => Array.from({ length: count }, (_, i) => `unknown${i}: 1\n`).join('');
    const started = performance.now();
    expect(await refusalOf(() => yaml(keys(4000)))).toMatchObject([
      { code: 'config-yaml', details: { found: '4000 keys' } },
    ]);
    expect(performance.now() - started).toBeLessThan(2000);
    expect(await refusalOf(() => yaml(keys(40)))).toHaveLength(40);
  });

  it('with a key of great length is refused at once', async () => {
    const [problem] = await refusalOf(() => words(`${'k'.repeat(1e6)}=1`));
    expect(problem!.code).toBe('config-unknown-key');
    expect(describeProblem(problem!).length).toBeLessThan(3000);
  });

  it('prints nothing, whatever its tags are', async () => {
    const warnings: unknown[] = [];
    const collect = (warning: unknown) => warnings.push(warning);
    process.on('warning', collect);
    try {
      const texts = ['!foo 1', '!!binary x', '{[a]: 1}', '!!set {a}', '%FOO\n---\nx'];
      for (const text of texts) await refusalOf(() => words(`keep=${text}`));
      for (const text of texts) await refusalOf(() => yaml(`keep: ${text}\n`));
      await refusalOf(() => yaml('%FOO bar\n---\nkeep: !foo 1\n[a, b]: 1\n'));
      await new Promise(setImmediate);
    } finally {
      process.off('warning', collect);
    }
    expect(warnings).toEqual([]);
  });
});

describe('settings that have no meaning together', () => {
  it.each([
    [['loss=sft', 'rpoAlpha=0.1'], ['rpoAlpha']],
    [['loss=ipo', 'labelSmoothing=0.1'], ['labelSmoothing']],
    [['loss=distillation', 'lengthNormalization=true'], ['lengthNormalization']],
    [
      ['distillationTopN=4', 'distillationRest=renormalize'],
      ['distillationTopN', 'distillationRest'],
    ],
    [['selectionFrom=initial', 'selection=all'], ['selectionFrom']],
    [['selectionFrom=initial', 'selection=batch'], ['selectionFrom']],
    [['selectionFrom=initial', 'loss=sft'], ['selectionFrom']],
  ])('%j are refused, each by its name and place', async (given, fields) => {
    const problems = await refusalOf(() => words(...given));
    expect(problems.map(({ code, details }) => [code, details.field])).toEqual(
      fields.map((field) => ['config-combination', field]),
    );
    for (const { details } of problems) expect(details.expected).toMatch(/ with /);
    expect(problems[0]!.details.file).toMatch(/^argument/);
  });

  it.each([
    ['loss=ipo', 'rpoAlpha=0.1'],
    ['loss=sigmoid', 'labelSmoothing=0.1'],
    ['loss=distillation', 'distillationTopN=4', 'distillationRest=renormalize'],
    ['selectionFrom=initial', 'selection=random'],
    ['selectionFrom=initial', 'loss=sft', 'keep=0.3'],
  ])('%j, %j are taken', async (...given) => {
    expect(Object.keys(await words(...given))).toEqual(TRAINING_KEYS);
  });
});

describe('the selection', () => {
  it('is of all tokens for losses of the chosen response, unless one is asked for', async () => {
    const selection = async (...given: string[]) => (await words(...given)).selection;
    expect([await selection('loss=sft'), await selection('loss=distillation')]).toEqual(['all', 'all']);
    expect([await selection('loss=ipo'), await selection()]).toEqual(['quantile', 'quantile']);
    expect(await selection('loss=sft', 'keep=0.4')).toBe('quantile');
    expect(await selection('loss=sft', 'selection=top-k')).toBe('top-k');
    expect((await yaml('loss: sft\nkeep: 0.5\n')).selection).toBe('quantile');
  });
});
