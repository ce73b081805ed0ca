/** A run of a sweep as the results and the report see it. */

/** How a run stands: `missing` has not been run to its end yet. */
export type RunStatus = 'finished' | 'failed' | 'missing';

/** One run. */
export interface SweptRun {
  name: string;
  /** First 8 hexadecimal digits of the digest of the resolved configuration. */
  key: string;
  seed: number;
  status: RunStatus;
  /** Swept keys only (training keys, `policy`, `cache`, `run` for named runs), without the seed. */
  values: Readonly<Record<string, string | number | boolean>>;
  /** Last figures by name with the split in front: `train/loss`, `eval/loss`, `eval/rewards/accuracies`, … */
  metrics: Readonly<Record<string, number>>;
  /** [step, value] in ascending steps, by the same names; at most 400 points each. */
  curves: Readonly<Record<string, readonly (readonly [number, number])[]>>;
  /** What a failed run said. */
  message?: string;
}

/** A whole sweep. */
export interface SweepReport {
  title: string;
  runs: readonly SweptRun[];
  sweptKeys: readonly string[];
  /** Name of the figure that is shown first. */
  metric: string;
}
