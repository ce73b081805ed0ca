export {
  evaluatePreferences,
  type EvaluatePreferencesOptions,
  type ModelDifference,
  type ModelReport,
  type PreferenceReport,
} from './preferences/evaluate-preferences.js';
export { SPLITS, type Split } from './preferences/evaluated-rows.js';
export { publishPairTable } from './preferences/pair-table.js';
export type { PairFigures } from './preferences/pair-figures.js';
export type { Estimate } from './statistics/poisson-bootstrap.js';
