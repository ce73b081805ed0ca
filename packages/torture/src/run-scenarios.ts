/** Runs scenarios one after the other, each in a folder of its own that goes at its end. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scenario, ScenarioSettings } from './scenario.js';
import type { TallyRow } from './tally.js';

/**
 * Yields every row once it is counted.
 * @throws Interrupted when asked to stop; whatever else a scenario throws.
 */
export async function* runScenarios(
  scenarios: readonly Scenario[],
  settings: Omit<ScenarioSettings, 'folder'>,
): AsyncGenerator<TallyRow> {
  const place = await mkdtemp(join(tmpdir(), 'sdpo-torture-'));
  try {
    for (const scenario of scenarios) {
      const folder = join(place, scenario.name);
      await mkdir(folder);
      yield* scenario.run({ ...settings, folder });
      await rm(folder, { recursive: true });
    }
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}
