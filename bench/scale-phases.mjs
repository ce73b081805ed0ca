/**
 * What is done to a cache of many pairs, from its workers to a training's reading, each to be measured in a process of its own. Every
 * phase counts what it has seen and fails where that is not what was written.
 */
import { constants, readFileSync, readdirSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  CacheReader,
  MANIFEST_FILE,
  cacheInfo,
  mergeCache,
  readManifest,
  verifyCache,
} from '@selective-dpo/data';
import { Stopwatch } from './stopwatch.mjs';
import { SYNTHETIC_INPUTS, writeSyntheticPart } from './synthetic-cache.mjs';

/** Prompts of 8 to 24 tokens, answers of 5 to 15. */
const SHAPE = { prompt: 16, response: 10 };
const CONFIG = {
  ...{ batchSize: 8, gradientAccumulationSteps: 1, epochs: 1, maxSteps: -1, shuffle: true, seed: 1 },
  ...{ evalFraction: 0.001, refTrust: 'ignore', refTrustScale: 0.25 },
};
const READ_BYTES = 1 << 18;

// Loaded by the phases that need them: what they bring along would count in the memory of all.
const loadRows = () => import('../packages/trainer/dist/run/run-rows.js');
const loadOrder = () => import('../packages/trainer/dist/run/training-order.js');

/** By name; each is given the cache and the options of the bench. */
export const PHASES = {
  nothing: () => timed(() => ({})),
  write: async (cache, { pairs, workers, index, rowsPerShard }) =>
    writeSyntheticPart(
      cache,
      pairs,
      { index, count: workers },
      { ...SHAPE, rowsPerShard },
      { ...SYNTHETIC_INPUTS, rowsPerShard },
    ),
  merge: (cache) =>
    timed(async () => {
      const { manifest } = await mergeCache(cache);
      return { pairs: manifest.rows, shards: manifest.shards.length, digest: manifest.digest };
    }),
  verify: (cache) => verifying(cache, {}),
  'verify --digests': (cache) => verifying(cache, { digestsOnly: true }),
  'machine: read, from the disk': (cache) => readAll(cache, constants.O_DIRECT),
  'machine: read, in memory already': (cache) => readAll(cache, 0),
  'machine: SHA-256': async (cache) => {
    const hash = createHash('sha256');
    return readAll(cache, 0, (bytes) => hash.update(bytes));
  },
  open: (cache) =>
    timed(async () => {
      const reader = await CacheReader.open(cache);
      await reader.close();
      return { pairs: reader.rowCount };
    }),
  'survey of the reference': (cache) =>
    withReader(cache, async (reader) => {
      const { rowsOfRun } = await loadRows();
      const { survey } = await rowsOfRun(reader, CONFIG, { leastRemembered: Infinity });
      return { pairs: survey.pairs, ordered: survey.ordered };
    }),
  'shuffle, every step of an epoch': (_cache, { pairs }) => timed(() => countSteps(pairs)),
  'train: survey, then an epoch': (cache) => withReader(cache, trainingReads),
  'cache info': (cache) =>
    timed(async () => {
      const { rows: pairs, shards, bytes } = await cacheInfo(cache);
      return { pairs, shards, bytes };
    }),
  stats: (cache) =>
    timed(async () => {
      const { CacheDatabase, cacheStatistics } = await import('@selective-dpo/stats');
      const database = await CacheDatabase.open(cache);
      try {
        return { pairs: (await cacheStatistics(database)).rows };
      } finally {
        await database.close();
      }
    }),
  'inspect, derive': (cache, { derived }) => {
    process.env.XDG_CACHE_HOME = derived;
    return withReader(cache, async (reader) => {
      const { derivedData } = await import('@selective-dpo/inspector');
      await derivedData(reader);
      return { pairs: reader.rowCount };
    });
  },
};

async function timed(work) {
  const watch = new Stopwatch();
  const figures = await watch.time(work);
  return { seconds: watch.seconds, cpu: watch.cpu, ...figures };
}

function verifying(cache, options) {
  return timed(async () => {
    const { rows: pairs, shards, bytes } = await verifyCache(cache, options);
    return { pairs, shards, bytes };
  });
}

function withReader(cache, work) {
  return timed(async () => {
    const reader = await CacheReader.open(cache);
    try {
      return await work(reader);
    } finally {
      await reader.close();
    }
  });
}

/** The look through the cache before the first step, then the rows of every step, one step ahead, as train reads them. */
async function trainingReads(reader) {
  const [{ rowsOfRun }, { TrainingOrder }] = [await loadRows(), await loadOrder()];
  const { train, eval: held, survey } = await rowsOfRun(reader, CONFIG, { leastRemembered: Infinity });
  const order = new TrainingOrder(train, CONFIG);
  const read = (step) => Promise.all(order.rowsOfStep(step).map((index) => reader.row(index)));
  const sum = { pairs: 0, tokens: 0 };
  const count = (rows) => {
    sum.pairs += rows.length;
    for (const row of rows) sum.tokens += row.chosenIds.length + row.rejectedIds.length;
  };
  let next = read(0);
  for (let step = 0; step < order.totalSteps; step++) {
    const rows = await next;
    if (step + 1 < order.totalSteps) next = read(step + 1);
    count(rows);
  }
  for (const index of held) count([await reader.row(index)]);
  const { rows, responseTokens } = reader.manifest;
  if (survey.pairs !== rows || sum.pairs !== rows || sum.tokens !== responseTokens) {
    throw new Error(
      `${sum.pairs} pairs with ${sum.tokens} response tokens of ${rows} with ${responseTokens}`,
    );
  }
  return { pairs: sum.pairs, responseTokens: sum.tokens, ordered: survey.ordered };
}

/** An epoch's order, its steps asked for one after the other. Every row comes once. */
async function countSteps(pairs) {
  const { TrainingOrder } = await loadOrder();
  const order = new TrainingOrder(
    Uint32Array.from({ length: pairs }, (_, i) => i),
    CONFIG,
  );
  const seen = new Uint8Array(pairs);
  for (let step = 0; step < order.totalSteps; step++) for (const row of order.rowsOfStep(step)) seen[row]++;
  if (seen.some((times) => times !== 1)) throw new Error('the order leaves out a row, or has one twice');
  return { pairs };
}

/**
 * Reads every file that the manifest names, one after the other.
 * @param flag O_DIRECT reads past the memory that holds what was read before.
 */
async function readAll(cache, flag, take = () => {}) {
  const { shards, rows } = await readManifest(cache);
  const names = shards.flatMap(({ parquet, arrow }) => [parquet.name, arrow.name]);
  // O_DIRECT wants an address that is a multiple of a disk's block, as WebAssembly's memory is.
  const piece = new Uint8Array(new WebAssembly.Memory({ initial: READ_BYTES >> 16 }).buffer);
  return timed(async () => {
    let bytes = 0;
    for (const name of names) {
      const handle = await open(join(cache, name), constants.O_RDONLY | flag);
      for (let bytesRead; ({ bytesRead } = await handle.read(piece, 0, READ_BYTES)).bytesRead > 0;) {
        take(piece.subarray(0, bytesRead));
        bytes += bytesRead;
        if (bytesRead < READ_BYTES) break;
      }
      await handle.close();
    }
    return { pairs: rows, bytes };
  });
}

/** Files of a cache, the bytes of all of them, and those of its manifest. */
export async function sizeOf(cache) {
  const names = readdirSync(cache, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  let bytes = 0;
  for (const entry of names) bytes += (await stat(join(entry.parentPath ?? entry.path, entry.name))).size;
  const manifestBytes = readFileSync(join(cache, MANIFEST_FILE)).length;
  return { files: names.length, bytes, manifestBytes };
}
