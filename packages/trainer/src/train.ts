/**
 * Stage two from top to bottom: stream the cache, select tokens, optimise the masked loss, write metrics,
 * checkpoints and the final model. The reference is never loaded and nothing is tokenised.
 */
import { join } from 'node:path';
import {
  Interrupted,
  InputErrors,
  ProgressMeter,
  counted,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { CacheReader } from '@selective-dpo/data';
import { AdamW, openEngine, type CausalLM, type Engine } from '@selective-dpo/model';
import type { TrainingConfig } from './config/training-config.js';
import { refuseUnfitCache } from './config/cache-fitness.js';
import { combinationErrors } from './config/combinations.js';
import { microBatching } from './config/memory-plan.js';
import { objectiveOfStep } from './config/objective.js';
import { evaluate, readPair, type PairSource } from './evaluate.js';
import { loadInitialPolicy, openPolicy, type Policy } from './policy.js';
import {
  checkpointSteps,
  loadCheckpoint,
  verifyCheckpoint,
  writeCheckpoint,
  type TrainingState,
} from './run/checkpoint.js';
import { conversationFormat, exportFinal, isFinished } from './run/final-model.js';
import { InitialSelection } from './run/initial-selection.js';
import { METRICS_FILE, lastMetricsIn } from './run/metrics-log.js';
import { RunRecorder, type MetricsRecord } from './run/run-recorder.js';
import {
  CHECKPOINTS_FOLDER,
  FINAL_FOLDER,
  prepareRunDirectory,
  runFingerprint,
  type RunIdentity,
} from './run/run-directory.js';
import { rowsOfRun, type RunRows } from './run/run-rows.js';
import { TrainingOrder } from './run/training-order.js';
import { SelectionHistory } from './selection/selection-history.js';
import type { Metrics } from './step/batch-metrics.js';
import { refuseNonFiniteLogps, refuseNonFiniteWeights, type FoundAt } from './step/finiteness.js';
import { optimiserStep } from './step/optimiser-step.js';
import type { CachedPair, MicroBatching, Objective } from './step/selective-step.js';
import { droppedNotice, referenceWarning } from './trust/reference-survey.js';
import { withTrust } from './trust/trust-weights.js';

export interface TrainOptions {
  /** Hugging Face model directory to start from. */
  policyDirectory: string;
  cacheDirectory: string;
  /** Folder of the run. */
  outDirectory: string;
  config: TrainingConfig;
  /** Go on from the newest checkpoint of the run in `outDirectory`, if there is one. */
  resume: boolean;
  listener?: ProgressListener;
  /** Told of the figures of every step and evaluation once they are in `metrics.jsonl`. */
  onMetrics?: (record: MetricsRecord) => void;
  /** Stops after the step in progress, with a checkpoint. */
  signal?: AbortSignal;
}

export interface TrainResult {
  steps: number;
  finalDirectory: string;
  /** The run was finished before: nothing was done. */
  alreadyComplete: boolean;
  /** Last figures of each split that has any. */
  lastMetrics: { train?: Metrics; eval?: Metrics };
  /** Pairs of the cache, and how many of them the reference orders as they are labelled; absent where nothing was trained. */
  reference?: { pairs: number; ordered: number };
}

/**
 * Trains a policy on a reference cache.
 * @throws InputError, InputErrors for bad input; Interrupted when `signal` stopped it.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const problems = combinationErrors(options.config);
  if (problems.length > 0) throw new InputErrors(problems);
  const cache = await CacheReader.open(options.cacheDirectory);
  try {
    refuseUnfitCache(options.config, cache);
    const policy = await openPolicy(options.policyDirectory, cache, options.cacheDirectory);
    const engine = await openEngine(options.config.engine, { precision: options.config.precision });
    const rows = await rowsOfRun(cache, options.config, options.signal);
    const micro = await microBatching(options, cache, engine);
    const run = new TrainingRun(options, cache, policy, engine, micro, rows);
    return await run.toTheEnd();
  } finally {
    await cache.close();
  }
}

/** One process's part of a run. */
class TrainingRun {
  private readonly config: TrainingConfig;
  private readonly order: TrainingOrder;
  private readonly identity: RunIdentity;
  private lastMetrics: TrainResult['lastMetrics'] = {};
  private state!: TrainingState;
  private recorder!: RunRecorder;
  private initialSelection: InitialSelection | undefined;
  /** Of the newest checkpoint. */
  private savedStep = 0;

  constructor(
    private readonly options: TrainOptions,
    private readonly cache: CacheReader,
    private readonly policy: Policy,
    private readonly engine: Engine,
    private readonly micro: MicroBatching,
    private readonly rows: RunRows,
  ) {
    const { config } = options;
    this.config = config;
    this.order = new TrainingOrder(rows.train, config);
    this.identity = {
      policySha256: policy.weightsSha256,
      cacheManifestSha256: cache.manifest.digest,
      engine: engine.describe() as unknown as Record<string, unknown>,
      config,
    };
  }

  async toTheEnd(): Promise<TrainResult> {
    const { outDirectory, resume } = this.options;
    const { earlier, lock } = await prepareRunDirectory(outDirectory, this.identity, resume);
    try {
      if (resume && !earlier)
        this.notice('no-run', `${outDirectory} holds no run to go on with: a new one begins`);
      if (earlier && (await isFinished(this.finalDirectory))) return await this.finishedBefore();
      this.tellOfReference();
      return await this.trainFrom(earlier);
    } finally {
      await lock.release();
    }
  }

  private async trainFrom(earlier: boolean): Promise<TrainResult> {
    this.initialSelection = await this.openInitialSelection();
    try {
      return await this.trainOn(earlier);
    } finally {
      await this.initialSelection?.close();
    }
  }

  private async trainOn(earlier: boolean): Promise<TrainResult> {
    this.state = (earlier ? await this.restore() : undefined) ?? (await this.start());
    try {
      const { outDirectory, onMetrics } = this.options;
      this.recorder = await RunRecorder.open(outDirectory, this.state.step, this.config, onMetrics);
      this.lastMetrics = this.recorder.last;
      try {
        await this.optimise();
      } finally {
        await this.recorder.close();
      }
      await refuseNonFiniteWeights(this.state.model.parameters, this.now);
      const finalDirectory = await exportFinal(this.finalDirectory, this.state, {
        config: this.config,
        cache: this.cache,
        policy: this.policy,
        engine: this.engine,
        lastMetrics: this.lastMetrics,
      });
      const { step: steps } = this.state;
      const { survey } = this.rows;
      const reference = survey && { reference: { pairs: survey.pairs, ordered: survey.ordered } };
      return { steps, finalDirectory, alreadyComplete: false, lastMetrics: this.lastMetrics, ...reference };
    } finally {
      this.state.optimizer.dispose();
      this.state.model.dispose();
    }
  }

  private async finishedBefore(): Promise<TrainResult> {
    const lastMetrics = await lastMetricsIn(this.metricsFile);
    const { finalDirectory, order } = this;
    return { steps: order.totalSteps, finalDirectory, alreadyComplete: true, lastMetrics };
  }

  /** Whether the reference orders the pairs, and what becomes of those that it does not. */
  private tellOfReference(): void {
    const { config } = this;
    const { survey } = this.rows;
    if (survey === undefined) return;
    const dropped = config.refTrust === 'drop' ? [droppedNotice(survey)] : [];
    for (const notice of [...dropped, referenceWarning(survey) ?? []].flat()) this.options.listener?.(notice);
  }

  private makeOptimizer = (model: CausalLM): AdamW =>
    new AdamW(
      model.parameters,
      {
        beta1: this.config.adamBeta1,
        beta2: this.config.adamBeta2,
        epsilon: this.config.adamEpsilon,
        weightDecay: this.config.weightDecay,
      },
      this.engine.fusedAdamW,
    );

  private async start(): Promise<TrainingState> {
    const format = conversationFormat(this.cache.manifest.inputs.tokenizer);
    if (format !== undefined && this.cache.manifest.inputs.tokenizer.chatTemplateGiven) {
      this.notice(
        'conversation-format',
        `the cache was made with ${format}: final/ will name it but not hold it; put it into the policy's directory ` +
          'as chat_template.jinja to have it there',
      );
    }
    const model = await loadInitialPolicy(this.options.policyDirectory);
    return {
      model,
      optimizer: this.makeOptimizer(model),
      history: new SelectionHistory(),
      step: 0,
      pairsSeen: 0,
    };
  }

  private async openInitialSelection(): Promise<InitialSelection | undefined> {
    if (this.config.selectionFrom === 'policy') return undefined;
    const { outDirectory, listener, signal } = this.options;
    return InitialSelection.open(outDirectory, {
      runFingerprint: runFingerprint(this.identity),
      cacheRows: this.cache.rowCount,
      rows: Uint32Array.from([...this.order.rowsSeen(), ...this.rows.eval]).sort(),
      readRow: (index) => this.pairs.row(index),
      objective: this.objective(0),
      micro: this.micro,
      loadPolicy: () => loadInitialPolicy(this.options.policyDirectory),
      listener,
      signal,
    });
  }

  private async restore(): Promise<TrainingState | undefined> {
    const newest = (await checkpointSteps(this.checkpoints)).at(-1);
    if (newest === undefined) {
      this.notice('no-checkpoint', 'the run has no checkpoint yet: it begins again at its first step');
      return undefined;
    }
    const directory = join(this.checkpoints, `step-${newest}`);
    const checkpoint = await verifyCheckpoint(
      directory,
      runFingerprint(this.identity),
      this.order.totalSteps,
    );
    this.savedStep = newest;
    this.notice('resumed', `going on after step ${newest} of ${this.order.totalSteps}`);
    return loadCheckpoint(checkpoint, this.makeOptimizer);
  }

  private async optimise(): Promise<void> {
    const { totalSteps } = this.order;
    const meter = new ProgressMeter('train', 'steps', totalSteps, this.state.step);
    if (this.state.step === 0) await this.evaluateNow();
    let next = this.readAhead(this.state.step);
    while (next !== undefined) {
      if (this.options.signal?.aborted === true) await this.stop();
      const waited = performance.now();
      const pairs = await next;
      const dataSeconds = (performance.now() - waited) / 1000;
      next = this.readAhead(this.state.step + 1);
      const metrics = await this.takeStep(pairs, dataSeconds);
      await this.afterStep();
      // Behind the evaluation, so that who hears of the last step has heard of its held-out figures.
      this.options.listener?.(meter.advance(1, { loss: metrics['loss']!, 'tokens/s': metrics['tokens/s']! }));
    }
  }

  /** One step and its line of metrics. */
  private async takeStep(pairs: CachedPair[], dataSeconds: number): Promise<Metrics> {
    const { config, order, micro, engine, state } = this;
    const { survey } = this.rows;
    const { policyDirectory } = this.options;
    const context = { config, order, micro, engine, policyDirectory, survey };
    const metrics = await optimiserStep(state, pairs, this.objective(state.step), context, dataSeconds);
    this.lastMetrics.train = metrics;
    await this.recorder.record('train', state.step, metrics);
    return metrics;
  }

  private async afterStep(): Promise<void> {
    const { evalEvery, saveEvery } = this.config;
    const { step } = this.state;
    const last = step === this.order.totalSteps;
    if (last || (evalEvery > 0 && step % evalEvery === 0)) await this.evaluateNow();
    if (saveEvery > 0 && (last || step % saveEvery === 0)) await this.save();
  }

  private async evaluateNow(): Promise<void> {
    if (this.rows.eval.length === 0) return;
    const { model, step } = this.state;
    const metrics = await evaluate(model, this.pairs, this.rows.eval, this.objective(0), this.micro);
    refuseNonFiniteLogps(metrics, this.now);
    this.lastMetrics.eval = metrics;
    await this.recorder.record('eval', step, metrics);
    this.notice(
      'evaluated',
      `step ${step}: on ${counted(this.rows.eval.length, 'held-out pair')} loss ${metrics['loss']!.toFixed(4)}, chosen answer ` +
        `likelier in ${(100 * metrics['logps/accuracies']!).toFixed(1)}%, its reward higher in ` +
        `${(100 * metrics['rewards/accuracies']!).toFixed(1)}%`,
      { step, ...metrics },
    );
  }

  private async save(): Promise<void> {
    await refuseNonFiniteWeights(this.state.model.parameters, this.now);
    await writeCheckpoint(this.checkpoints, this.state, {
      runFingerprint: runFingerprint(this.identity),
      policyDirectory: this.options.policyDirectory,
      keepLast: this.config.saveTotalLimit,
    });
    this.savedStep = this.state.step;
  }

  /** Ends the run before its time, with a checkpoint to go on from. */
  private async stop(): Promise<never> {
    // Not twice: for a moment the one that is there would be gone.
    if (this.state.step > this.savedStep) await this.save();
    throw new Interrupted(
      `stopped after step ${this.state.step} of ${this.order.totalSteps}`,
      'run the same command with --resume',
    );
  }

  /** The pairs of a step that is there, on their way; a failure counts when they are awaited, if they ever are. */
  private readAhead(step: number): Promise<CachedPair[]> | undefined {
    if (step >= this.order.totalSteps) return undefined;
    const pairs = this.pairsOfStep(step);
    pairs.catch(() => undefined);
    return pairs;
  }

  private async pairsOfStep(step: number): Promise<CachedPair[]> {
    const pairs = this.order.rowsOfStep(step).map((index) => readPair(this.pairs, index));
    return (await Promise.all(pairs)).map((pair) => withTrust(pair, this.config, this.rows.survey));
  }

  /** Rows of the cache, every id of which the policy has. */
  private readonly pairs: PairSource = {
    row: async (index) => {
      const row = await this.cache.row(index);
      this.policy.refuseUnknownIds(row, this.config.loss === 'distillation');
      return row;
    },
    frozenSelection: async (index, row) => this.initialSelection?.selection(index, row),
  };

  private objective(step: number): Objective {
    return objectiveOfStep(this.config, this.policy.endsSentence, step);
  }

  private get now(): FoundAt {
    return { step: this.state.step, policyDirectory: this.options.policyDirectory };
  }

  private get finalDirectory(): string {
    return join(this.options.outDirectory, FINAL_FOLDER);
  }

  private get checkpoints(): string {
    return join(this.options.outDirectory, CHECKPOINTS_FOLDER);
  }

  private get metricsFile(): string {
    return join(this.options.outDirectory, METRICS_FILE);
  }

  private notice(code: string, message: string, figures?: Record<string, number>): void {
    this.options.listener?.({ type: 'notice', code, message, ...(figures === undefined ? {} : { figures }) });
  }
}
