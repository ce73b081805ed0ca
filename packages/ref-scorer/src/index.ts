export {
  DEFAULT_ROWS_PER_SHARD,
  scoreDataset,
  type ScoreOptions,
  type ScoreResult,
} from './score-dataset.js';
export { LocalScorer } from './local-scorer.js';
export type { PairLogps, Scorer } from './scorer.js';
export { DEFAULT_BATCH_TOKENS } from './batch-tokens.js';
