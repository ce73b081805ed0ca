/** `metrics.jsonl`: one JSON object a line, appended and flushed as the run goes; the truth about a run. */
import { createReadStream } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { explainSystemError, publishFile } from '@selective-dpo/foundation';
import type { Metrics } from '../step/batch-metrics.js';

export const METRICS_FILE = 'metrics.jsonl';

export interface MetricsLine {
  split: 'train' | 'eval';
  /** Optimiser steps done when the line was written. */
  step: number;
  [figure: string]: number | string;
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
      if (lastStep === 0) await rm(path, { force: true });
      else {
        await publishFile(path, async (target) => {
          for await (const { text, value } of wholeLines(path)) {
            if (value.step > lastStep) continue;
            await target.write(`${text}\n`);
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
      await this.handle.write(`${JSON.stringify(line)}\n`);
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
    for await (const { value } of wholeLines(path)) remember(value, last);
  } catch (error) {
    throw explainSystemError(error, path);
  }
  return last;
}

function remember({ split, ...figures }: MetricsLine, last: MetricsLog['last']): void {
  delete (figures as Partial<MetricsLine>).step;
  last[split] = figures as Metrics;
}

/** The lines that are whole: a run that was killed may have left half a line at the end. */
async function* wholeLines(path: string): AsyncGenerator<{ text: string; value: MetricsLine }> {
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      continue;
    }
    if (isMetricsLine(value)) yield { text, value };
  }
}

function isMetricsLine(value: unknown): value is MetricsLine {
  if (value === null || typeof value !== 'object') return false;
  const { split, step } = value as Partial<MetricsLine>;
  return typeof step === 'number' && (split === 'train' || split === 'eval');
}
