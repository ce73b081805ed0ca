/** What the command asks of a group of faults. */
import { mixSeeds, sha256, type ProgressListener } from '@selective-dpo/foundation';
import type { TallyRow } from './tally.js';

export interface ScenarioSettings {
  /** Equal seeds try equal faults. */
  seed: number;
  /** A few faults of each kind, for tests. */
  short: boolean;
  /** An empty folder of this scenario's own; the command removes it. */
  folder: string;
  /** Asks to stop: then the scenario throws Interrupted. */
  signal: AbortSignal;
  listener: ProgressListener;
}

/** A group of faults that are tried and counted. */
export interface Scenario {
  /** Word for `--only`. */
  readonly name: string;
  /** One line for people. */
  readonly meaning: string;
  /**
   * Tries the faults; yields each row once it is counted.
   * @throws Interrupted when asked to stop; anything else that is no outcome of a fault.
   */
  run(settings: ScenarioSettings): AsyncIterable<TallyRow>;
}

/** A seed for one kind of faults, so that a kind that is left out or added changes no other. */
export function seedFor({ seed }: Pick<ScenarioSettings, 'seed'>, kind: string): number {
  return mixSeeds(seed, Number.parseInt(sha256(kind).slice(0, 8), 16));
}
