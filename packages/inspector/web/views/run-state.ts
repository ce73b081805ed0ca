/** How a run of a sweep stands, in words. */
import { SWEPT_RUN_STATES, type SweptRunState } from '../../src/site-contract.js';
import type { FollowedRun } from '../metrics/swept-runs.js';
import { shownCount } from '../parts/facts.js';

/** `finished`, `running, step 40`, `failed at step 12`. */
export function stateText({ state, steps }: Pick<FollowedRun, 'state' | 'steps'>): string {
  if (state === 'finished' || steps === 0) return state;
  return state === 'running' ? `running, step ${shownCount(steps)}` : `${state} at step ${shownCount(steps)}`;
}

/** `3 finished, 1 running, 2 waiting`: the last first, none left out that occurs. */
export function countedStates(runs: readonly { state: SweptRunState }[]): string {
  return [...SWEPT_RUN_STATES]
    .reverse()
    .map((state) => [runs.filter((run) => run.state === state).length, state] as const)
    .filter(([count]) => count > 0)
    .map(([count, state]) => `${shownCount(count)} ${state}`)
    .join(', ');
}
