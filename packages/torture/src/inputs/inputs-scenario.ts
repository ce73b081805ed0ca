/** Inputs that are nearly what they should be, by the thousand, for every parser of what strangers supply. */
import { join } from 'node:path';
import { Interrupted, ProgressMeter } from '@selective-dpo/foundation';
import {
  isFailure,
  runTarget,
  targets,
  targetsModule,
  type FuzzTarget,
  type OutcomeKind,
} from '@selective-dpo/fuzz';
import type { Scenario, ScenarioSettings } from '../scenario.js';
import { Tally, type Outcome, type TallyRow } from '../tally.js';

const [CASES, SHORT_CASES] = [10_000, 200];
/** Parsers at one time, each in a process of its own. */
const AT_ONCE = 2;

const MEANING: Readonly<Record<OutcomeKind, Outcome>> = {
  ...{ right: 'right', refused: 'refused', hang: 'slow' },
  ...{ wrong: 'wrong', untyped: 'wrong', memory: 'wrong', crash: 'wrong' },
};

export const inputsScenario: Scenario = {
  name: 'inputs',
  meaning: 'mutated inputs for every parser of files and requests from strangers',
  async *run(settings) {
    const waiting = targets.map((target) => () => countInputs(target, settings));
    const running: Promise<TallyRow>[] = [];
    while (waiting.length + running.length > 0) {
      for (const begin of waiting.splice(0, AT_ONCE - running.length)) {
        const row = begin();
        // It counts when it is waited for.
        row.catch(() => undefined);
        running.push(row);
      }
      yield await running.shift()!;
    }
  },
};

/** @throws Interrupted. */
async function countInputs(target: FuzzTarget, settings: ScenarioSettings): Promise<TallyRow> {
  const { seed, signal, listener } = settings;
  const cases = settings.short ? SHORT_CASES : CASES;
  const tally = new Tally(inputsScenario.name, target.what);
  const meter = new ProgressMeter(`inputs: ${target.name}`, 'inputs', cases);
  try {
    const { badSeeds } = await runTarget(target, {
      ...{ module: targetsModule, cases, seed, signal, folder: join(settings.folder, target.name) },
      onOutcome({ index, kind, detail, ...rest }) {
        const again = isFailure({ kind }) ? `; input-of-case ${target.name} ${seed} ${index}` : '';
        tally.count(MEANING[kind], `${kind}: ${detail}${again} (${Math.round(rest.memoryMiB)} MiB)`);
        listener(meter.advance(1));
      },
    });
    for (const bad of badSeeds) tally.count('wrong', `a valid input: ${bad}`);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new Interrupted('stopped', 'run the same command again');
  }
  return tally.row();
}
