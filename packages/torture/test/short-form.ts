/** The short form of scenarios; `npm run torture` tries all faults. */
import { expect } from 'vitest';
import { isSound, runScenarios, type Scenario, type TallyRow } from '../src/index.js';

const settings = {
  ...{ seed: 7, short: true },
  ...{ signal: new AbortController().signal, listener: () => undefined },
};

/** Runs the short form and expects every zero to be one. */
export async function expectSound(scenario: Scenario): Promise<void> {
  const rows: TallyRow[] = [];
  for await (const row of runScenarios([scenario], settings)) rows.push(row);
  expect(rows.filter((row) => !isSound(row))).toEqual([]);
  expect(rows.length).toBeGreaterThan(0);
}
