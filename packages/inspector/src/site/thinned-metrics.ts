/** The metrics of runs for a page that holds all of them at once. */
import { stat } from 'node:fs/promises';
import { Interrupted, ProgressMeter, type ProgressListener } from '@selective-dpo/foundation';
import { jsonLines } from '@selective-dpo/data';
import { fixedFile, type SiteFile, type SiteFiles } from './site-files.js';

/** Bytes that the metrics of all runs together may have, but for two lines a run. */
const MAX_METRICS_BYTES = 8 << 20;
const MAX_LINE_BYTES = 1 << 20;
/** Lines between two looks at the signal. */
const LINES_A_LOOK = 1000;
/** Lines are not of one length; a little fewer than the bytes allow. */
const SPARE = 1.1;

export interface WatchedWork {
  listener?: ProgressListener | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * The metrics of all runs, read one after the other as a stream; of long ones some lines are left out, never the last ones of training
 * and evaluation.
 * @throws InputError `row-too-long`, `not-utf8`, and those of the file system; Interrupted.
 */
export async function thinnedMetrics(files: SiteFiles, work: WatchedWork): Promise<[string, SiteFile][]> {
  const found = [...files].filter(([path]) => path.endsWith('/metrics.jsonl'));
  const room = Math.floor(MAX_METRICS_BYTES / Math.max(1, found.length));
  const meter = new ProgressMeter('metrics', 'runs', found.length);
  const thinned: [string, SiteFile][] = [];
  for (const [path, file] of found) {
    const place = await file.locate!();
    const text = place === undefined ? '' : await thinnedText(place, room, work.signal);
    thinned.push([path, fixedFile(Buffer.from(text))]);
    work.listener?.(meter.advance(1));
  }
  return thinned;
}

/** A line out of so many, and the last two. */
async function thinnedText(place: string, room: number, signal: AbortSignal | undefined): Promise<string> {
  const { size } = await stat(place);
  const every = size <= room ? 1 : Math.ceil((SPARE * size) / room);
  const kept: string[] = [];
  const skipped: string[] = [];
  let index = 0;
  for await (const { text } of jsonLines(place, false, MAX_LINE_BYTES, Math.max(1, size))) {
    if (index % LINES_A_LOOK === 0) refuseToGoOn(signal);
    if (index % every === 0) {
      kept.push(text);
      skipped.length = 0;
    } else {
      skipped.push(text);
      // Of the last two lines the first may be one of those kept.
      if (skipped.length > 2) skipped.shift();
    }
    index++;
  }
  const lines = [...kept, ...skipped];
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** @throws Interrupted */
export function refuseToGoOn(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new Interrupted('stopped; nothing was written', 'run the same command again');
}
