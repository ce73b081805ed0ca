export {
  CacheDatabase,
  DEFAULT_MEMORY_LIMIT,
  LEAST_MEMORY_LIMIT,
  type CacheDatabaseOptions,
} from './cache-database.js';
export { CACHE_VIEWS } from './cache-views.js';
export { cacheStatistics } from './cache-statistics.js';
export { loadDuckDB } from './duckdb.js';
export { ask, type Answer, type AnswerValue } from './question.js';
export { NOT_COMPUTED, QUANTILES } from './statistics.js';
