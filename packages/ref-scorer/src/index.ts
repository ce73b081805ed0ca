export { DEFAULT_ROWS_PER_SHARD, scoreDataset, type ScoreResult } from './score-dataset.js';
export type { DatasetOptions, ScoreOptions, ServerScoreOptions } from './score-options.js';
export { LocalScorer } from './local-scorer.js';
export type { PairLogps, Scorer } from './scorer.js';
export { DEFAULT_BATCH_TOKENS } from './batch-tokens.js';
export {
  DEFAULT_CONCURRENCY,
  SERVER_KINDS,
  SERVER_KEY_VARIABLE,
  type ServerKind,
  type ServerOptions,
} from './server/server-options.js';
