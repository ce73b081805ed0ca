/** Training keys: a YAML or JSON file, and words of a command line. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TRAINING_KEYS, resolveTrainingConfig, type TrainingConfig } from '@selective-dpo/trainer';
import { parse } from 'yaml';
import { changeBytes } from '../mutation/byte-mutations.js';
import { changeJson } from '../mutation/json-mutations.js';
import { insertOddText, moveLines, replaceNumber } from '../mutation/text-mutations.js';
import { YAML_MUTATIONS } from '../mutation/yaml-mutations.js';
import type { FuzzTarget, PreparedTarget } from '../run/target.js';
import { pollution } from './json-oracle.js';

const YAML = `# a run
beta: 0.05
keep: 0.4
selection: quantile
learningRate: 5.0e-7
lrSchedule: "cosine"
shuffle: true
memoryLimit: 16GiB
seed: 7
maxSteps: 100
`;

const SEEDS: readonly Buffer[] = [
  Buffer.from(YAML),
  Buffer.from('base: &b 0.1\n'.replace('base', 'beta') + 'keep: *b\nloss: ipo\ntensorboard: false\n'),
  Buffer.from(JSON.stringify({ beta: 0.1, loss: 'sft', epochs: 2, batchSize: 4, weightDecay: 0.01 })),
  Buffer.from(''),
];

/** Keys of positive whole numbers, of shares, and of flags, by what README says of them. */
const COUNTS = [
  'batchSize',
  'gradientAccumulationSteps',
  'saveTotalLimit',
  'microBatchTokens',
  'spanWindow',
] as const;
const SHARES = ['keep', 'labelSmoothing', 'adamBeta1', 'adamBeta2', 'evalFraction'] as const;

function wrongConfig(config: TrainingConfig, text: string): string | undefined {
  if (Object.keys(config).sort().join() !== [...TRAINING_KEYS].sort().join()) return 'other keys';
  for (const key of COUNTS)
    if (!(Number.isSafeInteger(config[key]) && config[key] > 0)) return `${key} ${config[key]}`;
  for (const key of SHARES) if (!(config[key] >= 0 && config[key] <= 1)) return `${key} ${config[key]}`;
  for (const [key, value] of Object.entries(config)) {
    if (!['number', 'string', 'boolean'].includes(typeof value)) return `${key} is ${typeof value}`;
    if (typeof value === 'number' && !Number.isFinite(value)) return `${key} is ${value}`;
  }
  const plain = (parse(text, { uniqueKeys: false, logLevel: 'silent' }) ?? {}) as Record<string, unknown>;
  for (const key of TRAINING_KEYS) {
    if (!Object.hasOwn(plain, key)) continue;
    if (String(plain[key]) !== String(config[key]))
      return `${key} is ${config[key]} for ${String(plain[key])}`;
  }
  return pollution();
}

async function prepare(folder: string): Promise<PreparedTarget> {
  const path = join(folder, 'config.yaml');
  return Promise.resolve({
    seeds: SEEDS,
    async check(input) {
      await writeFile(path, input);
      return wrongConfig(await resolveTrainingConfig(path, []), input.toString('utf8'));
    },
  });
}

export const trainConfigTarget: FuzzTarget = {
  ...{ name: 'train-config', what: 'YAML and JSON of training keys', memoryMiB: 256, prepare },
  mutations: [
    ...YAML_MUTATIONS,
    ...YAML_MUTATIONS,
    changeJson,
    moveLines,
    replaceNumber,
    insertOddText,
    changeBytes,
  ],
};

async function prepareWords(): Promise<PreparedTarget> {
  return Promise.resolve({
    seeds: [
      Buffer.from('beta=0.05\nkeep=0.3\nloss=ipo'),
      Buffer.from('learningRate=1e-6\nshuffle=false\nseed=3'),
    ],
    async check(input) {
      const words = input.toString('utf8').split('\n');
      const config = await resolveTrainingConfig(undefined, words);
      const text = words.map((word) => word.replace('=', ': ')).join('\n');
      // Words are read one by one: as a document they may mean something else, so only what is no value is looked for.
      return /^[\w: .\n-]*$/.test(text) ? wrongConfig(config, text) : pollution();
    },
  });
}

export const trainWordsTarget: FuzzTarget = {
  ...{ name: 'train-words', what: 'training keys as words key=value', memoryMiB: 256, prepare: prepareWords },
  mutations: [...YAML_MUTATIONS, moveLines, replaceNumber, insertOddText, changeBytes],
};
