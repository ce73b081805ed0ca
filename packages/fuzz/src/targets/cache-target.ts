/** Caches of strangers, with digests that fit: the readers behind `sdpo cache verify`. */
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CACHE_COLUMNS,
  CacheReader,
  DROPPED_FILE,
  MANIFEST_FILE,
  cacheInfo,
  verifyCache,
  type CacheRow,
} from '@selective-dpo/data';
import { ArrowShard, decodeParquet } from '@selective-dpo/data/decoding';
import { InputError } from '@selective-dpo/foundation';
import { changeBytes, overwriteAlignedInteger } from '../mutation/byte-mutations.js';
import { changeJson } from '../mutation/json-mutations.js';
import type { Mutation } from '../mutation/mutation.js';
import { onOneLine, replaceNumber } from '../mutation/text-mutations.js';
import { PARQUET_MUTATIONS } from '../mutation/parquet-mutations.js';
import type { FuzzTarget, PreparedTarget } from '../run/target.js';
import { isWhole, pollution, sameValue } from './json-oracle.js';
import { ROWS_PER_SHARD, replaceFile, resealed, writeSmallCache } from './small-cache.js';

/** Of so many files that can be read, one goes through the whole of `verify`, which starts a thread each time. */
const VERIFY_ONE_IN = 25;

async function cacheIn(folder: string): Promise<{ directory: string; rows: CacheRow[] }> {
  const directory = join(folder, 'cache');
  await mkdir(directory);
  return { directory, rows: await writeSmallCache(directory) };
}

/** Numbers within a row are what METHOD.md says of them. */
function wrongCacheRow(row: CacheRow): string | undefined {
  const lists = [row.promptIds, row.chosenIds, row.rejectedIds];
  if (typeof row.pairId !== 'string' || !isWhole(row.sourceRow, 0, 2 ** 31 - 1))
    return 'an identifier is off';
  if (lists.some((ids) => ids.length === 0 || ids.some((id) => !isWhole(id, 0, 2 ** 31 - 1))))
    return 'ids are off';
  if (row.chosenIds.length !== row.chosenRefLogps.length) return 'chosen log-probs are too few or many';
  if (row.rejectedIds.length !== row.rejectedRefLogps.length) return 'rejected log-probs are too few or many';
  const logps = [...row.chosenRefLogps, ...row.rejectedRefLogps];
  return logps.every((logp) => Number.isFinite(logp) && logp <= 1e-3) ? undefined : 'a log-prob is off';
}

/** `verify` must find out that one of the two forms of a shard is not the other. */
async function unnoticed(directory: string): Promise<string | undefined> {
  try {
    await verifyCache(directory);
    return 'verify takes a shard whose two files differ';
  } catch (error) {
    if (error instanceof InputError && /^cache-/.test(error.code)) {
      if (error.details.found?.includes('no result after') === true) return 'verify waited for its deadline';
      throw error;
    }
    throw error;
  }
}

async function prepareArrow(folder: string): Promise<PreparedTarget> {
  const { directory, rows } = await cacheIn(folder);
  const name = 'shards/shard-00000.arrow';
  const path = join(directory, name);
  const expected = rows.slice(0, ROWS_PER_SHARD);
  const layout = { rows: ROWS_PER_SHARD, recordBatchRows: 32 };
  let count = 0;
  return {
    seeds: [await readFile(path)],
    async check(input) {
      await writeFile(path, input);
      const shard = await ArrowShard.open(await open(path), input.length, path, layout);
      let read: CacheRow[];
      try {
        const [batch] = await shard.recordBatches(0, 1);
        read = Array.from({ length: batch!.rows }, (_, i) => batch!.row(i));
      } finally {
        await shard.close();
      }
      const wrong = read.map(wrongCacheRow).find((one) => one !== undefined) ?? pollution();
      if (wrong !== undefined || read.length !== ROWS_PER_SHARD) return wrong ?? `${read.length} rows`;
      if (count++ % VERIFY_ONE_IN !== 0) return undefined;
      const same = sameValue(read, expected);
      await replaceFile(directory, name, input);
      if (!same) return unnoticed(directory);
      await verifyCache(directory);
      return undefined;
    },
  };
}

export const cacheArrowTarget: FuzzTarget = {
  ...{ name: 'cache-arrow', what: 'Arrow shards of a cache, digests that fit', memoryMiB: 384 },
  mutations: [...Array(4).fill(overwriteAlignedInteger), changeBytes],
  prepare: prepareArrow,
};

const PARQUET_FIELDS = [...CACHE_COLUMNS];

/** A row of the Arrow file as the Parquet file must hold it. */
function parquetValues(row: CacheRow): unknown[] {
  const sum = (logps: Float32Array): number => logps.reduce((total, logp) => total + logp, 0);
  const values: Record<string, unknown> = {
    ...{ pair_id: row.pairId, source_row: row.sourceRow, prompt_ids: [...row.promptIds] },
    ...{ chosen_ids: [...row.chosenIds], rejected_ids: [...row.rejectedIds] },
    ...{ chosen_ref_logps: [...row.chosenRefLogps], rejected_ref_logps: [...row.rejectedRefLogps] },
    ...{ ref_chosen_logps: sum(row.chosenRefLogps), ref_rejected_logps: sum(row.rejectedRefLogps) },
  };
  return PARQUET_FIELDS.map((name) => values[name]);
}

async function prepareParquet(folder: string): Promise<PreparedTarget> {
  const { directory, rows } = await cacheIn(folder);
  const name = 'shards/shard-00000.parquet';
  const path = join(directory, name);
  const expected = rows.slice(0, ROWS_PER_SHARD).map(parquetValues);
  let count = 0;
  return {
    seeds: [await readFile(path)],
    async check(input) {
      await writeFile(path, input);
      const read: unknown[] = [];
      let columns: readonly string[] = [];
      for await (const answer of decodeParquet(path, PARQUET_FIELDS)) {
        if (answer.type === 'rows') read.push(...answer.rows);
        if (answer.type === 'rows') columns = answer.columns;
      }
      if (count++ % VERIFY_ONE_IN !== 0) return pollution();
      const same = sameValue(columns, PARQUET_FIELDS) && sameValue(read, expected);
      await replaceFile(directory, name, input);
      if (!same) return unnoticed(directory);
      await verifyCache(directory);
      return pollution();
    },
    codeOf(error) {
      if (error instanceof InputError) return error.code;
      const memory = /Array buffer allocation failed/;
      return error instanceof Error && !memory.test(error.message) ? 'unreadable' : undefined;
    },
  };
}

export const cacheParquetTarget: FuzzTarget = {
  ...{ name: 'cache-parquet', what: 'Parquet shards of a cache, digests that fit', memoryMiB: 1024 },
  mutations: [...PARQUET_MUTATIONS, changeBytes],
  prepare: prepareParquet,
};

/** manifest.json, a line that divides, dropped.jsonl: the manifest is sealed anew. */
const DIVIDER = '\n=====\n';

async function prepareManifest(folder: string): Promise<PreparedTarget> {
  const { directory } = await cacheIn(folder);
  const [manifest, dropped] = await Promise.all(
    [MANIFEST_FILE, DROPPED_FILE].map((name) => readFile(join(directory, name), 'utf8')),
  );
  return {
    seeds: [Buffer.from(`${manifest}${DIVIDER}${dropped}`)],
    async check(input) {
      const at = input.indexOf(DIVIDER) < 0 ? input.length : input.indexOf(DIVIDER);
      await writeFile(join(directory, DROPPED_FILE), input.subarray(at + DIVIDER.length));
      await writeFile(join(directory, MANIFEST_FILE), resealed(input.toString('utf8', 0, at)));
      await cacheInfo(directory);
      const reader = await CacheReader.open(directory, { verify: 'all' });
      let rows = 0;
      try {
        for await (const row of reader.rows()) {
          const wrong = wrongCacheRow(row);
          if (wrong !== undefined) return wrong;
          rows++;
        }
      } finally {
        await reader.close();
      }
      return rows === reader.rowCount ? pollution() : `${rows} rows of ${reader.rowCount}`;
    },
  };
}

export const cacheManifestTarget: FuzzTarget = {
  ...{
    name: 'cache-manifest',
    what: 'manifest.json and dropped.jsonl of a cache, digests that fit',
    memoryMiB: 256,
  },
  mutations: [
    ...Array(6).fill(onManifest(changeJson)),
    onManifest(replaceNumber),
    onOneLine(changeJson),
    replaceNumber,
    changeBytes,
  ],
  prepare: prepareManifest,
};

/** On the manifest alone. */
function onManifest(mutation: Mutation): Mutation {
  return (input, random, pool) => {
    const at = input.indexOf(DIVIDER);
    if (at < 0) return mutation(input, random, pool);
    return Buffer.concat([mutation(input.subarray(0, at), random, pool), input.subarray(at)]);
  };
}
