/** All scenarios, in the order of the table. */
import { killScenario } from './kill/kill-scenario.js';
import type { Scenario } from './scenario.js';

export const SCENARIOS: readonly Scenario[] = [killScenario];
