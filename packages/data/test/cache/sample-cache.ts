import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@selective-dpo/foundation';
import {
  CACHE_SCHEMA_VERSION,
  CacheWriter,
  DROPPED_FILE,
  type CacheInputs,
  type CacheRow,
} from '../../src/cache/index.js';

export const freshFolder = () => mkdtemp(join(tmpdir(), 'sdpo-cache-'));

export function sampleInputs(change: Partial<CacheInputs> = {}): CacheInputs {
  const digest = 'a'.repeat(64);
  return {
    schemaVersion: CACHE_SCHEMA_VERSION,
    toolVersion: '0.0.0',
    dataset: { sha256: digest, bytes: 10, layout: 'preference', limit: null },
    tokenizer: { tokenizer: digest, chatTemplate: 'none', chatTemplateNow: null, chatTemplateGiven: false },
    limits: { maxLength: 64, maxPromptLength: null, truncation: 'keep_start' },
    model: { weightsSha256: digest, configSha256: digest },
    scorer: { kind: 'local', batchTokens: 8 },
    rowsPerShard: 40,
    ...change,
  };
}

/** Rows of varied lengths; row `i` is the same in every call with the same seed. */
export function sampleRows(count: number, seed = 1, longest = 30): CacheRow[] {
  const random = new SeededRandom(seed);
  const ids = (n: number) => Int32Array.from({ length: n }, () => random.below(50_000));
  const logps = (n: number) => Float32Array.from({ length: n }, () => -8 * random.next());
  return Array.from({ length: count }, (_, i) => {
    const [p, c, r] = [1, 1, 1].map((least) => least + random.below(longest)) as [number, number, number];
    return {
      pairId: `${i}-é`,
      sourceRow: i,
      promptIds: ids(p),
      chosenIds: ids(c),
      rejectedIds: ids(r),
      chosenRefLogps: logps(c),
      rejectedRefLogps: logps(r),
    };
  });
}

/** The rows with `n` likeliest tokens in the place of each: log-probs that descend from one below 0. */
export function withTop(rows: readonly CacheRow[], n: number): CacheRow[] {
  const random = new SeededRandom(7);
  const lists = (tokens: number) => {
    const [ids, logps] = [new Int32Array(tokens * n), new Float32Array(tokens * n)];
    for (let i = 0; i < ids.length; i++) {
      ids[i] = 100 * (i % n) + random.below(100);
      logps[i] = (i % n === 0 ? -Math.log(n) : logps[i - 1]!) - random.next();
    }
    return { ids, logps };
  };
  return rows.map((row) => {
    const [chosen, rejected] = [lists(row.chosenIds.length), lists(row.rejectedIds.length)];
    const refTop = {
      chosenIds: chosen.ids,
      chosenLogps: chosen.logps,
      rejectedIds: rejected.ids,
      rejectedLogps: rejected.logps,
    };
    return { ...row, refTop };
  });
}

/** Writes (or goes on writing) a cache of `rows`, 40 to a shard. */
export async function writeCache(
  directory: string,
  rows: CacheRow[],
  shards = Infinity,
  change: Partial<CacheInputs> = {},
): Promise<void> {
  const writer = await CacheWriter.open(directory, sampleInputs(change));
  try {
    if (writer.complete !== undefined) return;
    let published = writer.resumeFrom.shards;
    for (let at = writer.resumeFrom.rows; at < rows.length && published < shards; at += 40, published++) {
      await writer.publishShard(rows.slice(at, at + 40));
    }
    if (shards !== Infinity) return;
    await writeFile(join(directory, DROPPED_FILE), '{"row":7,"reason":"unreadable","detail":"x"}\n');
    await writer.finish({ unreadable: 1 });
  } finally {
    await writer.close();
  }
}

/** Every file of a folder, by its name inside it. */
export async function filesIn(directory: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(directory.length + 1), await readFile(path));
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}
