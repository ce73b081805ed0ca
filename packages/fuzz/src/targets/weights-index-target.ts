/** model.safetensors.index.json, beside the shards that it should name and a file that it must not. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openWeights, writeSafetensors } from '@selective-dpo/model';
import { changeBytes } from '../mutation/byte-mutations.js';
import { changeJson } from '../mutation/json-mutations.js';
import { insertOddText, replaceNumber } from '../mutation/text-mutations.js';
import type { FuzzTarget, PreparedTarget } from '../run/target.js';
import { plainJson, pollution } from './json-oracle.js';

/** Which file holds which tensor. */
const PLACES: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'model-00001-of-00002.safetensors',
  'model.norm.weight': 'model-00001-of-00002.safetensors',
  'lm_head.weight': 'model-00002-of-00002.safetensors',
};
const OUTSIDE = 'outside.safetensors';

const tensor = (name: string) => ({ name, shape: [2], data: () => Float32Array.of(1, name.length) });

/** Every tensor is named once, for the file that holds it, and has its values. */
async function wrongWeights(directory: string, input: Buffer): Promise<string | undefined> {
  const weights = await openWeights(directory);
  try {
    const { weight_map: map } = plainJson(input) as { weight_map: Record<string, string> };
    if (weights.names().sort().join() !== Object.keys(map).sort().join())
      return 'other names than the index has';
    for (const name of weights.names()) {
      if (PLACES[name] !== map[name]) return `${name} out of ${map[name]}`;
      if (weights.pathOf(name) !== join(directory, map[name]!)) return `${name} out of another file`;
      if ([...(await weights.read(name))].join() !== `1,${name.length}`) return `other values of ${name}`;
    }
    return pollution();
  } finally {
    await weights.close();
  }
}

async function prepare(folder: string): Promise<PreparedTarget> {
  const directory = join(folder, 'model');
  await mkdir(directory);
  for (const file of new Set(Object.values(PLACES))) {
    const names = Object.keys(PLACES).filter((name) => PLACES[name] === file);
    await writeSafetensors(join(directory, file), names.map(tensor));
  }
  await writeSafetensors(join(folder, OUTSIDE), [tensor('lm_head.weight')]);
  const index = { metadata: { total_size: 24 }, weight_map: PLACES };
  return {
    seeds: [Buffer.from(JSON.stringify(index, null, 2)), Buffer.from(JSON.stringify({ weight_map: PLACES }))],
    async check(input) {
      await writeFile(join(directory, 'model.safetensors.index.json'), input);
      return wrongWeights(directory, input);
    },
  };
}

/** Names that lead elsewhere, where a file of the model was named. */
const leadOutside: FuzzTarget['mutations'][number] = (input, random) => {
  const text = input.toString('utf8');
  const names = [
    `../${OUTSIDE}`,
    `x/../../${OUTSIDE}`,
    `..\\\\${OUTSIDE}`,
    '/dev/zero',
    '.',
    '',
    '..',
    'x\\u0000',
  ];
  const file = Object.values(PLACES)[random.below(3)]!;
  return Buffer.from(text.replace(file, names[random.below(names.length)]!));
};

export const weightsIndexTarget: FuzzTarget = {
  ...{ name: 'weights-index', what: 'model.safetensors.index.json', memoryMiB: 256, prepare },
  mutations: [
    ...Array(4).fill(changeJson),
    leadOutside,
    leadOutside,
    replaceNumber,
    insertOddText,
    changeBytes,
  ],
};
