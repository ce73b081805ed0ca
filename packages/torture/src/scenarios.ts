/** All scenarios, in the order of the table. */
import { damageScenario } from './damage/damage-scenario.js';
import { killScenario } from './kill/kill-scenario.js';
import type { Scenario } from './scenario.js';

export const SCENARIOS: readonly Scenario[] = [damageScenario, killScenario];
