/** Where {@link targets} lie, for the processes that run them. */
export const targetsModule = new URL(
  import.meta.url.endsWith('.ts') ? '../dist/targets/index.js' : './targets/index.js',
  import.meta.url,
).href;
export { targets } from './targets/index.js';
export { runTarget, type RunOptions, type TargetResult } from './run/run-target.js';
export { isFailure, type Outcome, type OutcomeKind } from './run/outcome.js';
export type { FuzzTarget, PreparedTarget } from './run/target.js';
