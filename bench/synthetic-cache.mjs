/** A cache of random rows of realistic lengths, written through the project's own writer, for the benches beside it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CACHE_SCHEMA_VERSION, CacheWriter, DROPPED_FILE, WorkerPart } from '@selective-dpo/data';
import { SeededRandom, publishBytes } from '@selective-dpo/foundation';
import { Stopwatch } from './stopwatch.mjs';

export const VOCABULARY = 50_000;
export const ROWS_PER_SHARD = 512;
/** Means of the lengths, which are uniform between half and one and a half of them; ids are below `vocabulary`. */
const SHAPE = { prompt: 150, response: 80, vocabulary: VOCABULARY, rowsPerShard: ROWS_PER_SHARD };

export const SYNTHETIC_INPUTS = {
  schemaVersion: CACHE_SCHEMA_VERSION,
  toolVersion: '0.0.0',
  dataset: { sha256: '0'.repeat(64), bytes: 1, layout: 'preference', limit: null },
  tokenizer: {
    tokenizer: '0'.repeat(64),
    chatTemplate: 'none',
    chatTemplateNow: null,
    chatTemplateGiven: false,
  },
  limits: { maxLength: 1024, maxPromptLength: null, truncation: 'keep_start' },
  model: { weightsSha256: '0'.repeat(64), configSha256: '0'.repeat(64) },
  scorer: { kind: 'synthetic' },
  rowsPerShard: ROWS_PER_SHARD,
};

/** The rows of shard `shard` of a cache of `pairs`; equal arguments give equal rows. */
export function syntheticShard(shard, pairs, shape = {}) {
  const { prompt: promptTokens, response: responseTokens, vocabulary, rowsPerShard } = { ...SHAPE, ...shape };
  const random = new SeededRandom(shard + 1);
  const length = (mean) => (mean >> 1) + random.below(mean + 1);
  const ids = (n) => Int32Array.from({ length: n }, () => random.below(vocabulary));
  const logps = (n) => Float32Array.from({ length: n }, () => 8 * Math.log(1 - random.next() * 0.9));
  const begin = shard * rowsPerShard;
  return Array.from({ length: Math.min(rowsPerShard, pairs - begin) }, (_, i) => {
    const [prompt, chosen, rejected] = [promptTokens, responseTokens, responseTokens].map(length);
    return {
      pairId: String(begin + i),
      sourceRow: begin + i,
      promptIds: ids(prompt),
      chosenIds: ids(chosen),
      rejectedIds: ids(rejected),
      chosenRefLogps: logps(chosen),
      rejectedRefLogps: logps(rejected),
    };
  });
}

/**
 * Writes a cache of `pairs` rows.
 * @param shape tokens of prompts and responses on average, the vocabulary and the rows of a shard, where they are not the usual ones.
 * @param inputs with another tokenizer or other rows a shard than usual.
 * @returns seconds, by the clock and of CPU, spent in the writer, making the rows not among them, and the bytes of its shards.
 */
export async function writeSyntheticCache(directory, pairs, shape = {}, inputs = SYNTHETIC_INPUTS) {
  const watch = new Stopwatch();
  const writer = await CacheWriter.open(directory, inputs);
  try {
    for (let shard = 0; shard * inputs.rowsPerShard < pairs; shard++) {
      const rows = syntheticShard(shard, pairs, shape);
      await watch.time(() => writer.publishShard(rows));
    }
    await writeFile(join(directory, DROPPED_FILE), '');
    const { shards } = await watch.time(() => writer.finish({}));
    const bytes = (kind) => shards.reduce((sum, shard) => sum + shard[kind].bytes, 0);
    return {
      seconds: watch.seconds,
      cpu: watch.cpu,
      arrowBytes: bytes('arrow'),
      parquetBytes: bytes('parquet'),
    };
  } finally {
    await writer.close();
  }
}

/**
 * Writes what worker `worker.index` of `worker.count` has of a cache of `pairs` rows; parameters as above.
 * @returns seconds, by the clock and of CPU, spent in the writer, and the pairs of its part, those that were there before among them.
 */
export async function writeSyntheticPart(directory, pairs, worker, shape = {}, inputs = SYNTHETIC_INPUTS) {
  const watch = new Stopwatch();
  const part = await WorkerPart.open(directory, inputs, worker);
  let written = 0;
  for (let shard = worker.index; shard * inputs.rowsPerShard < pairs; shard += worker.count) {
    const rows = syntheticShard(shard, pairs, shape);
    await watch.time(() => part.publishShard(shard, rows));
    written += rows.length;
  }
  await publishBytes(join(directory, DROPPED_FILE), '');
  await watch.time(() => part.finish(pairs, {}));
  return { seconds: watch.seconds, cpu: watch.cpu, pairs: written };
}
