/** Every scenario in its short form; `npm run torture` tries all faults. */
import { describe, expect, it } from 'vitest';
import { SCENARIOS, isSound, runScenarios, type TallyRow } from '../src/index.js';

const settings = {
  ...{ seed: 7, short: true },
  ...{ signal: new AbortController().signal, listener: () => undefined },
};

describe('the short form of', () => {
  it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
    '%s finds every zero to be one',
    async (_, scenario) => {
      const rows: TallyRow[] = [];
      for await (const row of runScenarios([scenario], settings)) rows.push(row);
      expect(rows.filter((row) => !isSound(row))).toEqual([]);
      expect(rows.length).toBeGreaterThan(0);
    },
    600_000,
  );
});
