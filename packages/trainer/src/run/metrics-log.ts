/** `metrics.jsonl`: one JSON object a line, appended and flushed as the run goes; the truth about a run. */
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { explainSystemError, parseShallowJson, publishFile } from '@selective-dpo/foundation';
import type { Metrics } from '../step/batch-metrics.js';
import { boundedLines } from './bounded-lines.js';

export const METRICS_FILE = 'metrics.jsonl';

export interface MetricsLine {
  split: 'train' | 'eval';
  /** Optimiser steps done when the line was written. */
  step: number;
  /** When it was written, in Unix seconds; lines of older versions have none. */
  time?: number;
  [figure: string]: number | string | undefined;
}

/** Appends lines to a metrics file. A line is on disk when `append` returns. */
export class MetricsLog {
  private constructor(
    private readonly handle: FileHandle,
    private readonly path: string,
    /** The last figures of each split among the lines that were kept. */
    readonly last: { train?: Metrics; eval?: Metrics },
  ) {}

  /**
   * Opens the file, keeping of an earlier run only whole lines up to `lastStep`: later ones belong to steps that
   * will be done again. With `lastStep` 0 nothing is kept.
   */
  static async open(path: string, lastStep: number): Promise<MetricsLog> {
    const last: MetricsLog['last'] = {};
    try {
      if (lastStep === 0) await removeFile(path);
      else {
        await publishFile(path, async (target) => {
          for await (const { text, value } of metricsLines(path)) {
            if (value.step > lastStep) continue;
            await target.appendFile(`${text}\n`);
            remember(value, last);
          }
        });
      }
      return new MetricsLog(await open(path, 'a'), path, last);
    } catch (error) {
      throw explainSystemError(error, path);
    }
  }

  async append(line: MetricsLine): Promise<void> {
    try {
      // Not `write`, of which a disk that is nearly full may take a part.
      await this.handle.appendFile(`${JSON.stringify(line)}\n`);
      await this.handle.datasync();
    } catch (error) {
      throw explainSystemError(error, this.path);
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** The last figures of each split in the file of a run that is finished. */
export async function lastMetricsIn(path: string): Promise<{ train?: Metrics; eval?: Metrics }> {
  const last: MetricsLog['last'] = {};
  try {
    for await (const { value } of metricsLines(path)) remember(value, last);
  } catch (error) {
    throw explainSystemError(error, path);
  }
  return last;
}

function remember(line: MetricsLine, last: MetricsLog['last']): void {
  const figures = Object.entries(line).filter(([name]) => !['split', 'step', 'time'].includes(name));
  last[line.split] = Object.fromEntries(figures) as Metrics;
}

async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/**
 * The lines that are whole: a run that was killed may have left half a line at the end.
 * @throws InputError `metrics-damaged`, `file-not-found`, …
 */
export async function* metricsLines(path: string): AsyncGenerator<{ text: string; value: MetricsLine }> {
  for await (const text of boundedLines(path)) {
    let value: unknown;
    try {
      value = parseShallowJson(text, 1);
    } catch {
      continue;
    }
    if (isMetricsLine(value)) yield { text, value };
  }
}

/** Names of figures: `loss`, `rewards/margins`, `tokens/s`, `selection/threshold_p50`. */
const FIGURE_NAME = /^[\w/]{1,64}$/;

/** What is printed and written into the model card is numbers under names of ours, whoever wrote the line. */
function isMetricsLine(value: unknown): value is MetricsLine {
  if (value === null || typeof value !== 'object') return false;
  const { split, ...figures } = value as Partial<MetricsLine>;
  return (
    (split === 'train' || split === 'eval') &&
    Object.entries(figures).every(([name, figure]) => FIGURE_NAME.test(name) && Number.isFinite(figure)) &&
    Object.hasOwn(figures, 'loss') &&
    Number.isSafeInteger(figures.step) &&
    figures.step! >= 0
  );
}
