/** All scenarios, in the order of the table. */
import type { Scenario } from './scenario.js';

export const SCENARIOS: readonly Scenario[] = [];
