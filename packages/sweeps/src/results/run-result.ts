/** How each run of a sweep ended, with its figures. */
import { join } from 'node:path';
import { METRICS_FILE } from '@selective-dpo/trainer';
import type { RunPlace } from '../pool/run-folders.js';
import type { SweptRun } from '../swept-run.js';
import { runFigures } from './run-figures.js';

/** A run with what is not the report's. */
export interface RunResult {
  run: SweptRun;
  directory: string;
  /** Optimiser steps; undefined unless the run is finished. */
  steps?: number;
  /** Last figures that clocks and memory give. */
  timings: Readonly<Record<string, number>>;
}

/** Points of one curve at most. */
const MAX_POINTS = 400;
/** Runs with curves of all their points; the curves of more runs have fewer points each, so that memory is bounded. */
const RUNS_WITH_ALL_POINTS = 50;

/**
 * The results of all runs in the order of their names.
 * @param failures messages of runs that failed, by their digests.
 * @throws InputError for a file of metrics that cannot be read.
 */
export async function runResults(
  places: readonly RunPlace[],
  failures: ReadonlyMap<string, string>,
): Promise<RunResult[]> {
  const points = Math.max(
    2,
    Math.min(MAX_POINTS, Math.floor((MAX_POINTS * RUNS_WITH_ALL_POINTS) / places.length)),
  );
  const results: RunResult[] = [];
  const named = [...places].sort((a, b) => (a.run.name < b.run.name ? -1 : 1));
  for (const place of named) results.push(await resultOf(place, failures.get(place.run.digest), points));
  return results;
}

async function resultOf(
  { run, directory, finished }: RunPlace,
  message: string | undefined,
  points: number,
): Promise<RunResult> {
  const { name, key, values, made } = run;
  const base = { name, key, seed: made.config.seed, values };
  if (!finished && message === undefined) {
    return { run: { ...base, status: 'missing', metrics: {}, curves: {} }, directory, timings: {} };
  }
  const { steps, metrics, timings, curves } = await runFigures(join(directory, METRICS_FILE), points);
  return finished
    ? { run: { ...base, status: 'finished', metrics, curves }, directory, steps, timings }
    : // What a failed run did last is no result.
      { run: { ...base, status: 'failed', metrics: {}, curves, message: message! }, directory, timings: {} };
}
