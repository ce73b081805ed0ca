export { train, type TrainOptions, type TrainResult } from './train.js';
export {
  TRAINING_KEYS,
  describeTrainingKeys,
  trainingConfigSchema,
  type TrainingConfig,
  type TrainingKey,
} from './config/training-config.js';
export { describePlan, longestPair, planMemory, type MemoryPlan } from './config/memory-plan.js';
export { RUN_CONFIG_FILE } from './run/run-directory.js';
export { resolveTrainingConfig } from './config/resolve-config.js';
export { alignmentScores, type PairLogps, type Side } from './selection/alignment-score.js';
export {
  SELECTION_RULES,
  selectTokens,
  type PairSelection,
  type SelectionInput,
  type SelectionOptions,
  type SelectionRule,
} from './selection/select-tokens.js';
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
export type { Metrics } from './step/batch-metrics.js';
