export { buildTorture } from './program.js';
export { runScenarios } from './run-scenarios.js';
export { seedFor, type Scenario, type ScenarioSettings } from './scenario.js';
export { SCENARIOS } from './scenarios.js';
export { describeTally } from './table.js';
export { OUTCOMES, Tally, ZEROS, isSound, type Outcome, type TallyRow } from './tally.js';
