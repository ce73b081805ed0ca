import { describe, it } from 'vitest';
import { SCENARIOS } from '../src/index.js';
import { killScenario } from '../src/kill/kill-scenario.js';
import { expectSound } from './short-form.js';

describe('the short form of', () => {
  // That of `kill` is in a file of its own: files run side by side.
  const others = SCENARIOS.filter((scenario) => scenario !== killScenario);
  it.each(others.map((scenario) => [scenario.name, scenario] as const))(
    '%s finds every zero to be one',
    async (_, scenario) => expectSound(scenario),
    600_000,
  );
});
