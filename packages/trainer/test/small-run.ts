/** A run of a few steps of a small policy, and what it left in its folder. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { train, trainingConfigSchema, type TrainOptions, type TrainingConfig } from '../src/index.js';
import { freshFolder } from './fresh-folder.js';
import { pairRows, writeCache } from './small-cache.js';
import { writePolicy } from './small-policy.js';

export interface RunInputs {
  policyDirectory: string;
  cacheDirectory: string;
}

/** A policy and a cache of `pairs` pairs that fits it. */
export async function writeRunInputs(pairs = 30): Promise<RunInputs> {
  const policyDirectory = await writePolicy();
  return { policyDirectory, cacheDirectory: await writeCache(policyDirectory, pairRows(pairs)) };
}

export const newRunFolder = async () => join(await freshFolder(), 'run');

/** Settings under which every step changes the weights a good deal. */
export const settings = (change: Partial<TrainingConfig> = {}): TrainingConfig =>
  trainingConfigSchema.parse({
    ...{ engine: 'wasm', learningRate: 3e-3, lrSchedule: 'cosine', batchSize: 4, seed: 5, maxSteps: 6 },
    ...change,
  });

export type RunChange = Partial<Omit<TrainOptions, 'config'>> & { config?: Partial<TrainingConfig> };

/** Trains into a new folder unless one is given. */
export async function runWith(inputs: RunInputs, { config, ...change }: RunChange = {}) {
  const outDirectory = await newRunFolder();
  const options = { ...inputs, outDirectory, resume: false, ...change, config: settings(config) };
  return { ...(await train(options)), folder: options.outDirectory };
}

export type Line = { split: string; step: number; loss: number } & Record<string, number | string>;

/** Lines of a run's metrics. */
export async function linesOf(folder: string): Promise<Line[]> {
  const text = await readFile(join(folder, 'metrics.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** Lines of a run's metrics without what clocks and memory give. */
export const figuresOf = async (folder: string): Promise<Line[]> =>
  (await linesOf(folder)).map(
    (line) =>
      Object.fromEntries(
        Object.entries(line).filter(([key]) => !/^time$|^(seconds|memory)\/|\/s$/.test(key)),
      ) as Line,
  );

export const weightsOf = (model: string) => readFile(join(model, 'model.safetensors'));
