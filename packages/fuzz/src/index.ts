export { targets } from './targets/index.js';
export { runTarget, type RunOptions, type TargetResult } from './run/run-target.js';
export { isFailure, type Outcome, type OutcomeKind } from './run/outcome.js';
export type { FuzzTarget, PreparedTarget } from './run/target.js';
