/** Every figure of a run goes three ways: to `metrics.jsonl`, to TensorBoard's file, and to who asked for it. */
import { join } from 'node:path';
import type { TrainingConfig } from '../config/training-config.js';
import type { Metrics } from '../step/batch-metrics.js';
import { EventFile, removeEventFiles } from '../tracking/event-file.js';
import { METRICS_FILE, MetricsLog, type MetricsLine } from './metrics-log.js';

/** The figures of one training step or evaluation, for trackers. */
export interface MetricsRecord {
  split: 'train' | 'eval';
  /** Optimiser steps done. */
  step: number;
  figures: Metrics;
}

export class RunRecorder {
  private constructor(
    private readonly log: MetricsLog,
    private readonly events: EventFile | undefined,
    private readonly onMetrics: ((record: MetricsRecord) => void) | undefined,
  ) {}

  /**
   * Opens the files of a run that has done `step` steps; lines of later ones are dropped.
   * @param directory of the run.
   * @throws InputError `metrics-damaged`, `disk-full`, …
   */
  static async open(
    directory: string,
    step: number,
    config: TrainingConfig,
    onMetrics?: (record: MetricsRecord) => void,
  ): Promise<RunRecorder> {
    const metricsFile = join(directory, METRICS_FILE);
    const log = await MetricsLog.open(metricsFile, step);
    try {
      if (config.tensorboard)
        return new RunRecorder(log, await EventFile.open(directory, metricsFile, config), onMetrics);
      // Of an earlier part with other settings: it would end where that part did.
      await removeEventFiles(directory);
      return new RunRecorder(log, undefined, onMetrics);
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  /** The last figures of each split among the lines that were kept. */
  get last(): MetricsLog['last'] {
    return this.log.last;
  }

  /** Records the figures of a split after `step` steps; in `metrics.jsonl` they are on disk when it returns. */
  async record(split: MetricsLine['split'], step: number, figures: Metrics): Promise<void> {
    const line: MetricsLine = { split, step, time: Date.now() / 1000, ...figures };
    await this.log.append(line);
    await this.events?.append(line);
    this.onMetrics?.({ split, step, figures });
  }

  async close(): Promise<void> {
    await this.log.close();
    await this.events?.close();
  }
}
