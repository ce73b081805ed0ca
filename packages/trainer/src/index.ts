export { train, type TrainOptions, type TrainResult } from './train.js';
export {
  TRAINING_KEYS,
  describeTrainingKeys,
  trainingConfigSchema,
  type TrainingConfig,
  type TrainingKey,
} from './config/training-config.js';
export { refuseUnfitCache } from './config/cache-fitness.js';
export { describePlan, longestPair, planMemory, type MemoryPlan } from './config/memory-plan.js';
export {
  CHECKPOINTS_FOLDER,
  FINAL_FOLDER,
  RUN_CONFIG_FILE,
  identifyingSettings,
  readRun,
  runFingerprint,
  runOfFolder,
  type RunIdentity,
} from './run/run-directory.js';
export { checkSetting, resolveEntries, resolveTrainingConfig } from './config/resolve-config.js';
export { scalarOf, type Entry } from './config/config-yaml.js';
export { checkpointSteps, verifyCheckpoint } from './run/checkpoint.js';
export { isFinished } from './run/final-model.js';
export { METRICS_FILE, metricsLines, type MetricsLine } from './run/metrics-log.js';
export { objectiveOfStep } from './config/objective.js';
export { openPolicy, type Policy } from './policy.js';
export { MeanMetrics, evaluatedBatches, type EvaluatedBatch } from './evaluate.js';
export { alignmentScores, type PairLogps, type Side } from './selection/alignment-score.js';
export {
  SELECTION_RULES,
  selectTokens,
  type PairSelection,
  type SelectionInput,
  type SelectionOptions,
  type SelectionRule,
} from './selection/select-tokens.js';
export { endsSentence } from './selection/sentence-end.js';
export { selectionThreshold, quantileCount, topKCount } from './selection/quantile.js';
export {
  preferenceLoss,
  type LossOptions,
  type PairLoss,
  type PairMask,
  type PreferenceLoss,
} from './loss/preference-loss.js';
export { sftLoss } from './loss/sft-loss.js';
export { distillationLoss, type DistillationRest, type TopLogps } from './loss/distillation-loss.js';
export { LOSS_TYPES, pairLoss, type LossType, type PairLossOptions } from './loss/pair-loss.js';
export type { MetricsRecord } from './run/run-recorder.js';
export { FIGURE_NAMES } from './step/figure-names.js';
export { pairRewards, type Metrics, type PairOutcome } from './step/batch-metrics.js';
export { refuseNonFiniteLogps } from './step/finiteness.js';
export type { CachedPair, MicroBatching, Objective } from './step/selective-step.js';
export { REF_TRUSTS, pairTrust, referenceMargin, type RefTrust } from './trust/pair-trust.js';
export { maskedLogRatio } from './loss/preference-loss.js';
