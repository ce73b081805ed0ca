/** Sampling temperatures of the benchmarks. */
import type { Benchmark } from '../benchmarks/questions.js';

/** FastChat's `temperature_config`, by category of MT-Bench. */
const MT_BENCH: Readonly<Record<string, number>> = {
  ...{ writing: 0.7, roleplay: 0.7, extraction: 0, math: 0, coding: 0, reasoning: 0 },
  ...{ stem: 0.1, humanities: 0.1 },
};
/** FastChat's for any other category. */
const OTHER_CATEGORY = 0.7;
/** Arena-Hard answers without sampling. */
const ARENA_HARD = 0;

/** The temperature that a benchmark answers a category at; 0 takes the most likely token. */
export function benchmarkTemperature(benchmark: Benchmark, category: string): number {
  if (benchmark === 'arena-hard') return ARENA_HARD;
  return Object.hasOwn(MT_BENCH, category) ? MT_BENCH[category]! : OTHER_CATEGORY;
}
