/**
 * How well models tell chosen from rejected responses of a reference cache, and what they make of single tokens. One model
 * and 64 pairs are held at a time; nothing kept grows with the number of pairs but the list of their numbers.
 */
import { Interrupted, ProgressMeter, type ProgressListener } from '@selective-dpo/foundation';
import { CacheReader, type CacheRow } from '@selective-dpo/data';
import { CausalLM, openEngine } from '@selective-dpo/model';
import {
  MeanMetrics,
  evaluatedBatches,
  objectiveOfStep,
  openPolicy,
  refuseUnfitCache,
  refuseNonFiniteLogps,
  type Metrics,
  type MicroBatching,
  type TrainingConfig,
} from '@selective-dpo/trainer';
import { PoissonBootstrap, type Estimate } from '../statistics/poisson-bootstrap.js';
import { evaluatedModels, type EvaluatedModel, type NamedModel } from '../models/evaluated-model.js';
import { rowsToEvaluate, type Split } from './evaluated-rows.js';
import { MEANS, pairFigures, pairMeans, type PairFigures } from './pair-figures.js';
import { TokenStatisticsGatherer, type TokenStatistics } from './token-statistics.js';

export interface EvaluatePreferencesOptions {
  /** Model directories, runs or checkpoints; at least one. */
  models: readonly (string | NamedModel)[];
  cacheDirectory: string;
  split: Split;
  /** The run whose held-out pairs and settings are meant; default: that of the first model that has one. */
  runDirectory?: string | undefined;
  /** Settings `key=value`, as for training: keep, selection, beta, engine, … */
  settings?: readonly string[];
  /** Takes the figures of every pair, model by model, in the order of the cache. */
  onPairs?: (pairs: readonly PairFigures[]) => Promise<void>;
  listener?: ProgressListener;
  signal?: AbortSignal;
}

export interface ModelReport {
  model: string;
  directory: string;
  weightsSha256: string;
  /** The figures a training run writes for its held-out pairs. */
  metrics: Metrics;
  /** Means with 95% bootstrap intervals over pairs. */
  intervals: Record<string, Estimate>;
  tokens: TokenStatistics;
}

/** A model's means less those of the first model, on the same pairs. */
export interface ModelDifference {
  model: string;
  baseline: string;
  differences: Record<string, Estimate>;
}

export interface PreferenceReport {
  split: Split;
  pairs: number;
  settings: Pick<TrainingConfig, 'selection' | 'keep' | 'beta' | 'loss' | 'seed' | 'evalFraction'>;
  models: ModelReport[];
  /** One for every model but the first. */
  differences: ModelDifference[];
}

/**
 * Measures models on the pairs of a cache.
 * @throws InputError, InputErrors for bad input; Interrupted when `signal` stopped it.
 */
export async function evaluatePreferences(options: EvaluatePreferencesOptions): Promise<PreferenceReport> {
  const cache = await CacheReader.open(options.cacheDirectory);
  try {
    const models = await evaluatedModels(options.models);
    const { rows, config, notices } = await rowsToEvaluate(
      cache,
      models,
      options.split,
      options.settings,
      options.runDirectory,
    );
    for (const notice of notices) options.listener?.(notice);
    await openEngine(config.engine, { precision: config.precision });
    const measured: Measured[] = [];
    for (const model of models) {
      measured.push(await measure(model, { cache, rows, config, options }));
    }
    const { selection, keep, beta, loss, seed, evalFraction } = config;
    return {
      split: options.split,
      pairs: rows.length,
      settings: { selection, keep, beta, loss, seed, evalFraction },
      models: measured.map(({ report }) => report),
      differences: measured.slice(1).map((one) => differenceOf(one, measured[0]!)),
    };
  } finally {
    await cache.close();
  }
}

interface Measured {
  report: ModelReport;
  bootstrap: PoissonBootstrap;
}

interface Measurement {
  cache: CacheReader;
  rows: Uint32Array;
  config: TrainingConfig;
  options: EvaluatePreferencesOptions;
}

async function measure(model: EvaluatedModel, how: Measurement): Promise<Measured> {
  const { cache, config, options } = how;
  refuseUnfitCache(config, cache);
  const policy = await openPolicy(model.directory, cache, options.cacheDirectory);
  const lm = await CausalLM.load(model.directory);
  try {
    const row = async (index: number): Promise<CacheRow> => {
      const found = await cache.row(index);
      policy.refuseUnknownIds(found, config.loss === 'distillation');
      return found;
    };
    const objective = objectiveOfStep(config, policy.endsSentence, 0);
    const { batchSize: pairs, microBatchTokens: tokens, activations } = config;
    const micro: MicroBatching = { pairs, tokens, activations };
    const means = new MeanMetrics(config.beta);
    const gathered = new TokenStatisticsGatherer();
    const bootstrap = new PoissonBootstrap(MEANS, config.seed);
    const meter = new ProgressMeter(`evaluate ${model.name}`, 'pairs', how.rows.length);
    let done = 0;
    for await (const batch of evaluatedBatches(lm, { row }, how.rows, objective, micro)) {
      refuseNonFiniteLogps(means.add(batch), { step: 0, policyDirectory: model.directory });
      const figures = batch.outcomes.map((outcome, i) =>
        pairFigures(model.name, batch.pairs[i]!, outcome, config.beta),
      );
      for (const pair of figures) bootstrap.add(pair.row, pairMeans(pair));
      for (const outcome of batch.outcomes) gathered.add(outcome);
      await options.onPairs?.(figures);
      done += figures.length;
      options.listener?.(meter.advance(figures.length));
      if (options.signal?.aborted === true && done < how.rows.length) throw interrupted(done, how, model);
    }
    const report = {
      ...{ model: model.name, directory: model.directory, weightsSha256: policy.weightsSha256 },
      metrics: means.figures(),
      intervals: Object.fromEntries(MEANS.map((name) => [name, bootstrap.estimate(name)!])),
      tokens: gathered.statistics(),
    };
    return { report, bootstrap };
  } finally {
    lm.dispose();
  }
}

function differenceOf(one: Measured, baseline: Measured): ModelDifference {
  return {
    model: one.report.model,
    baseline: baseline.report.model,
    differences: Object.fromEntries(
      MEANS.map((name) => [name, one.bootstrap.difference(baseline.bootstrap, name)!]),
    ),
  };
}

function interrupted(done: number, { rows }: Measurement, { name }: EvaluatedModel): Interrupted {
  return new Interrupted(
    `stopped after ${done} of ${rows.length} pairs of ${name}; nothing was written`,
    'run the same command again, it begins anew',
  );
}
