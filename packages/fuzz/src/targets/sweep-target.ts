/** Sweep files. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputErrors, type InputError } from '@selective-dpo/foundation';
import { readSweepFile, type SweepFile } from '@selective-dpo/sweeps/sweep-file';
import { parse } from 'yaml';
import { changeBytes } from '../mutation/byte-mutations.js';
import { insertOddText, moveLines, replaceNumber } from '../mutation/text-mutations.js';
import { YAML_MUTATIONS } from '../mutation/yaml-mutations.js';
import type { FuzzTarget, PreparedTarget } from '../run/target.js';
import { pollution } from './json-oracle.js';

const SEEDS: readonly Buffer[] = [
  Buffer.from(`policy: ./policy
cache: ./cache
base:
  learningRate: 1.0e-6
  batchSize: 4
grid:
  keep: [0.2, 0.4, 1]
  selection: [quantile, "random"]
seeds: [1, 2, 3]
`),
  Buffer.from(`policy: {small: ./a, large: ../b}
cache: {one: c1, two: c2}
runs:
  dpo: {keep: 1, selection: all}
  ours:
    keep: 0.4
    cache: two
list:
  - {beta: 0.1, loss: sigmoid}
  - beta: 0.2
    loss: ipo
`),
  Buffer.from('policy: p\ncache: c\nbase: {beta: &b 0.1}\ngrid: {beta: [*b, 0.2]}\n'),
];

type Plain = Readonly<Record<string, unknown>>;

/** Every setting is what the YAML library gives at its place. */
function wrongSweep(sweep: SweepFile, text: string): string | undefined {
  const plain = parse(text, { logLevel: 'silent' }) as Plain;
  const at = (value: unknown, key: string | number): unknown => (value as Plain | undefined)?.[key];
  const compare = (name: string, found: unknown, expected: unknown): string | undefined =>
    Object.is(found, expected) ? undefined : `${name} is ${String(found)} for ${String(expected)}`;
  const wrong: (string | undefined)[] = [
    ...sweep.base.map(({ key, value }) => compare(`base.${key}`, value, at(plain['base'], key))),
    ...sweep.seeds.map(({ value }, i) => compare(`seeds ${i}`, value, at(plain['seeds'], i))),
    ...sweep.grid.flatMap(({ key, settings }) =>
      settings.map(({ value }, i) => compare(`grid.${key} ${i}`, value, at(at(plain['grid'], key), i))),
    ),
    ...sweep.list.flatMap(({ settings }, i) =>
      settings.map(({ key, value }) => compare(`list ${i} ${key}`, value, at(at(plain['list'], i), key))),
    ),
    ...sweep.runs.flatMap(({ name, settings }) =>
      settings.map(({ key, value }) =>
        compare(`runs.${name} ${key}`, value, at(at(plain['runs'], name!), key)),
      ),
    ),
  ];
  const lines = text.split(/\r\n|\r|\n/).length;
  const settings = [...sweep.base, ...sweep.seeds, ...sweep.grid.flatMap(({ settings: all }) => all)];
  if (settings.some(({ line }) => !(line >= 1 && line <= lines))) wrong.push('a line that is not there');
  return wrong.find((one) => one !== undefined) ?? pollution();
}

async function prepare(folder: string): Promise<PreparedTarget> {
  const path = join(folder, 'sweep.yaml');
  return Promise.resolve({
    seeds: SEEDS,
    async check(input) {
      await writeFile(path, input);
      const problems: InputError[] = [];
      const sweep = await readSweepFile(path, problems);
      if (problems.length > 0) throw new InputErrors(problems);
      return wrongSweep(sweep, input.toString('utf8'));
    },
  });
}

export const sweepTarget: FuzzTarget = {
  ...{ name: 'sweep', what: 'sweep YAML', memoryMiB: 256, prepare },
  mutations: [...YAML_MUTATIONS, ...YAML_MUTATIONS, moveLines, replaceNumber, insertOddText, changeBytes],
};
