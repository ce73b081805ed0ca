/** All scenarios, in the order of the table. */
import { clockScenario } from './clock/clock-scenario.js';
import { damageScenario } from './damage/damage-scenario.js';
import { diskScenario } from './disk/disk-scenario.js';
import { inputsScenario } from './inputs/inputs-scenario.js';
import { killScenario } from './kill/kill-scenario.js';
import { rivalsScenario } from './rivals/rivals-scenario.js';
import type { Scenario } from './scenario.js';

export const SCENARIOS: readonly Scenario[] = [
  damageScenario,
  inputsScenario,
  diskScenario,
  clockScenario,
  rivalsScenario,
  killScenario,
];
