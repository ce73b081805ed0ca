/** Sweeps made up for the tests: figures follow from the values and the seed, so they are the same every time. */
import { SeededRandom, mixSeeds } from '@selective-dpo/foundation';
import type { SweepReport, SweptRun } from '../../src/swept-run.js';

/** A run with what a test says of it. */
export function run(parts: Partial<SweptRun> = {}): SweptRun {
  const values = Object.entries(parts.values ?? {}).map(([key, value]) => `${key}=${value}`);
  const name = [...values, `seed=${parts.seed ?? 0}`].join('_');
  return {
    name,
    key: '0123abcd',
    seed: 0,
    status: 'finished',
    values: {},
    metrics: {},
    curves: {},
    ...parts,
  };
}

/** A report of runs. */
export function report(runs: readonly SweptRun[], parts: Partial<SweepReport> = {}): SweepReport {
  const sweptKeys = [...new Set(runs.flatMap(({ values }) => Object.keys(values)))];
  return { title: 'made up', runs, sweptKeys, metric: 'eval/rewards/accuracies', ...parts };
}

/** Runs over keep × beta × caches × seeds: accuracy has its best at keep 0.4, curves have 60 training and 7 held-out steps. */
export function grid(
  keeps: readonly number[],
  betas: readonly number[],
  caches: readonly string[],
  seeds: readonly number[],
): SweptRun[] {
  const runs: SweptRun[] = [];
  for (const cache of caches) {
    for (const beta of betas)
      for (const keep of keeps) for (const seed of seeds) runs.push(gridRun({ keep, beta, cache }, seed));
  }
  return runs;
}

function gridRun(values: { keep: number; beta: number; cache: string }, seed: number): SweptRun {
  const random = new SeededRandom(
    mixSeeds(seed, values.keep * 1000, values.beta * 1000, values.cache.length),
  );
  const noise = (size: number) => size * (random.next() + random.next() - 1);
  const bonus = values.cache === 'aligned' ? 0.06 : 0;
  const accuracy =
    0.78 +
    bonus -
    0.5 * (values.keep - 0.4) ** 2 -
    0.04 * Math.abs(Math.log10(values.beta / 0.1)) +
    noise(0.04);
  const curve = (steps: number, every: number, from: number, to: number, rough: number) =>
    Array.from({ length: steps }, (_, k) => {
      const share = k / (steps - 1);
      return [k * every, from + (to - from) * (1 - Math.exp(-4 * share)) + noise(rough)] as const;
    });
  const curves = {
    'train/loss': curve(60, 5, 0.69, 0.9 - accuracy, 0.06),
    'eval/loss': curve(7, 50, 0.69, 1.25 - accuracy, 0.01),
    'eval/rewards/accuracies': curve(7, 50, 0.5, accuracy, 0.01),
    'eval/rewards/margins': curve(7, 50, 0, values.beta * 4 * accuracy, 0.01),
    'eval/logps/accuracies': curve(7, 50, 0.48, accuracy - 0.1, 0.01),
  };
  const metrics = Object.fromEntries(
    Object.entries(curves).map(([name, points]) => [name, points.at(-1)![1]]),
  );
  return run({
    values,
    seed,
    metrics,
    curves,
    key: mixSeeds(seed, values.keep * 10, values.beta * 100)
      .toString(16)
      .padStart(8, '0'),
  });
}
