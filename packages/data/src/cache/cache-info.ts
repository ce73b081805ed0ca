/** What a cache holds, for people: counts, what it was made of, and whether its reference orders the pairs. */
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

/** Reads the whole cache once, a record batch at a time. @throws InputError as {@link CacheReader.open}. */
export async function cacheInfo(directory: string): Promise<CacheInfo> {
  const reader = await CacheReader.open(directory);
  try {
    let [sum, ordered, orderedPerToken] = [0, 0, 0];
    for await (const row of reader.rows()) {
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
