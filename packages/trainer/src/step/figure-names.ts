/** Names of the figures that a run writes, without those that clocks and memory give. */

const PREFERENCES = ['rewards', 'rewards_kept'].flatMap((kind) =>
  ['chosen', 'rejected', 'margins', 'accuracies'].map((name) => `${kind}/${name}`),
);
const SELECTION = [
  'kept_fraction',
  'tokens',
  'threshold_p10',
  'threshold_p50',
  'threshold_p90',
  'overlap_random',
];

/** Of both splits. */
const SHARED = [
  'loss',
  ...PREFERENCES,
  ...['chosen', 'rejected', 'accuracies'].map((name) => `logps/${name}`),
  ...SELECTION.map((name) => `selection/${name}`),
];
/** Of training steps alone. */
const OF_STEPS = ['selection/overlap_previous', 'grad_norm', 'lr', 'epoch'];

/** Every figure of `metrics.jsonl` with its split in front, e.g. `eval/rewards/accuracies`. */
export const FIGURE_NAMES: readonly string[] = [
  ...SHARED.map((name) => `eval/${name}`),
  ...[...SHARED, ...OF_STEPS].map((name) => `train/${name}`),
];
