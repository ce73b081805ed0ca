/** The figures of one run out of its `metrics.jsonl`. */
import { InputError } from '@selective-dpo/foundation';
import { metricsLines } from '@selective-dpo/trainer';
import { Curve, type Point } from './curve.js';

export interface RunFigures {
  /** Optimiser steps done. */
  steps: number;
  /** Last figures by name with the split in front. */
  metrics: Record<string, number>;
  /** Last figures that clocks and memory give: they differ from run to run. */
  timings: Record<string, number>;
  curves: Record<string, Point[]>;
}

/** `tokens/s`, `seconds/forward`, `memory/peak_rss_mb`. */
const TIMING = /^(?:seconds|memory)\/|\/s$/;

/**
 * Reads the figures of a run; memory holds the last ones and the curves.
 * @param points of each curve at most.
 * @returns no figures where there is no such file.
 * @throws InputError `metrics-damaged`, `not-a-file`, …
 */
export async function runFigures(file: string, points: number): Promise<RunFigures> {
  const figures: RunFigures = { steps: 0, metrics: {}, timings: {}, curves: {} };
  const curves = new Map<string, Curve>();
  try {
    for await (const { value } of metricsLines(file)) {
      const { split, step, ...line } = value;
      delete line.time;
      if (split === 'train') figures.steps = step;
      for (const [name, value] of Object.entries(line as Record<string, number>)) {
        const full = `${split}/${name}`;
        if (TIMING.test(name)) {
          figures.timings[full] = value;
          continue;
        }
        figures.metrics[full] = value;
        let curve = curves.get(full);
        if (curve === undefined) curves.set(full, (curve = new Curve(points)));
        curve.add([step, value]);
      }
    }
  } catch (error) {
    if (!(error instanceof InputError) || error.code !== 'file-not-found') throw error;
  }
  figures.curves = Object.fromEntries([...curves].map(([name, curve]) => [name, curve.points]));
  return figures;
}
