/** What a cache holds, for people: counts, what it was made of, and whether its reference orders the pairs. */
import { Interrupted, ProgressMeter, type ProgressListener } from '@selective-dpo/foundation';
import type { ReferenceFigures } from './cache-figures.js';
import type { CacheInputs } from './cache-inputs.js';
import { CacheReader } from './cache-reader.js';
import { sumLogps } from './cache-row.js';
import { filesOf, rescoredOf, type Rescored } from './manifest.js';

export interface CacheInfo {
  rows: number;
  responseTokens: number;
  shards: number;
  /** Of all files. */
  bytes: number;
  /** Of the Parquet shards, which hold the same as the Arrow ones. */
  parquetBytes: number;
  /** Nats a response token. */
  meanRefLogp: number;
  /** Share of pairs whose chosen response has the higher log-prob under the reference: by the sum, and by the mean a token. */
  reference: Pick<ReferenceFigures, 'accuracy' | 'accuracyPerToken'>;
  /** Rows left out, by reason. */
  dropped: Record<string, number>;
  inputs: CacheInputs;
  /** What asking a server twice for some pairs has given. */
  rescored?: Rescored;
}

/** Pairs between two events of progress; smaller caches have none. */
const PAIRS_A_STEP = 100_000;

/**
 * Reads the whole cache once, a piece at a time.
 * @throws InputError as {@link CacheReader.open}; Interrupted when `signal` stopped it.
 */
export async function cacheInfo(
  directory: string,
  listener?: ProgressListener,
  signal?: AbortSignal,
): Promise<CacheInfo> {
  const reader = await CacheReader.open(directory);
  try {
    const meter = new ProgressMeter('info', 'pairs', reader.rowCount);
    let [read, sum, ordered, orderedPerToken] = [0, 0, 0, 0];
    for await (const row of reader.rows()) {
      if (signal?.aborted === true)
        throw new Interrupted('stopped while reading the cache', 'run the same command again');
      if (++read % PAIRS_A_STEP === 0) listener?.(meter.advance(PAIRS_A_STEP));
      const chosen = sumLogps(row.chosenRefLogps);
      const rejected = sumLogps(row.rejectedRefLogps);
      sum += chosen + rejected;
      if (chosen > rejected) ordered++;
      if (chosen / row.chosenIds.length > rejected / row.rejectedIds.length) orderedPerToken++;
    }
    const { rows, responseTokens, shards, dropped, inputs } = reader.manifest;
    const rescored = rescoredOf(reader.manifest);
    return {
      rows,
      responseTokens,
      shards: shards.length,
      bytes: filesOf(reader.manifest).reduce((total, file) => total + file.bytes, 0),
      parquetBytes: shards.reduce((total, { parquet }) => total + parquet.bytes, 0),
      meanRefLogp: sum / responseTokens,
      reference: { accuracy: ordered / rows, accuracyPerToken: orderedPerToken / rows },
      dropped,
      inputs,
      ...(rescored && { rescored }),
    };
  } finally {
    await reader.close();
  }
}
