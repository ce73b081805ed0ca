/**
 * `events.out.tfevents.…`: the lines of `metrics.jsonl` for TensorBoard, scalars under `train/…` and `eval/…`. It is made from that
 * file anew whenever a run begins or goes on, so that it has every line once, whatever a killed run left; then it grows with it.
 */
import { open, readdir, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { explainSystemError, publishFile, writeFully } from '@selective-dpo/foundation';
import { metricsLines, type MetricsLine } from '../run/metrics-log.js';
import { scalarEvent, settingsEvent, versionEvent } from './event.js';
import { tfRecord } from './tf-record.js';

/** What TensorBoard knows its files by. */
const NAME = /^events\.out\.tfevents\./;

export class EventFile {
  private constructor(
    private readonly handle: FileHandle,
    private readonly path: string,
  ) {}

  /**
   * Removes the files of earlier parts of the run and writes one of all that `metricsFile` holds. A new name, because
   * TensorBoard goes on reading a file that it has open.
   * @param directory of the run.
   * @throws InputError `disk-full`, `no-permission`, …
   */
  static async open(
    directory: string,
    metricsFile: string,
    settings: Record<string, string | number | boolean>,
  ): Promise<EventFile> {
    await removeEventFiles(directory);
    const now = Date.now() / 1000;
    const path = join(directory, `events.out.tfevents.${Math.floor(now)}.selective-dpo`);
    await publishFile(path, async (handle) => {
      await writeFully(handle, tfRecord(versionEvent(now)));
      await writeFully(handle, tfRecord(settingsEvent(now, settings)));
      for await (const { value } of metricsLines(metricsFile)) await writeFully(handle, recordOf(value));
    });
    return new EventFile(await open(path, 'a'), path);
  }

  async append(line: MetricsLine): Promise<void> {
    try {
      await writeFully(this.handle, recordOf(line));
    } catch (error) {
      throw explainSystemError(error, this.path);
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** Removes what TensorBoard would read in a run's folder. */
export async function removeEventFiles(directory: string): Promise<void> {
  for (const name of (await readdir(directory)).filter((each) => NAME.test(each))) {
    const path = join(directory, name);
    try {
      await unlink(path);
    } catch (error) {
      throw explainSystemError(error, path);
    }
  }
}

function recordOf({ split, step, time, ...figures }: MetricsLine): Buffer {
  const scalars = Object.entries(figures).map(
    ([name, value]) => [`${split}/${name}`, Number(value)] as const,
  );
  return tfRecord(scalarEvent(time ?? 0, step, Object.fromEntries(scalars)));
}
