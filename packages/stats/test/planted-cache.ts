/** A cache of random rows with repeats, contradictions and ties among them. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CACHE_SCHEMA_VERSION, CacheWriter, DROPPED_FILE, type CacheRow } from '@selective-dpo/data';
import { SeededRandom } from '@selective-dpo/foundation';

export const freshFolder = () => mkdtemp(join(tmpdir(), 'sdpo-stats-test-'));

export const ROWS_PER_SHARD = 40;

const digest = 'a'.repeat(64);
const INPUTS = {
  schemaVersion: CACHE_SCHEMA_VERSION,
  toolVersion: '0.0.0',
  dataset: { sha256: digest, bytes: 10, layout: 'preference', limit: null },
  tokenizer: { tokenizer: digest, chatTemplate: 'none', chatTemplateNow: null, chatTemplateGiven: false },
  limits: { maxLength: 64, maxPromptLength: null, truncation: 'keep_start' as const },
  model: { weightsSha256: digest, configSha256: digest },
  scorer: { kind: 'local', batchTokens: 8 },
  rowsPerShard: ROWS_PER_SHARD,
};

/** 130 rows; 50 repeats 3, 60 has the prompt of 4, 70 and 71 are 5 swapped, 90 is its own swap twice, 100 is a tie. */
export function plantedRows(): CacheRow[] {
  const random = new SeededRandom(11);
  const ids = () => Int32Array.from({ length: 1 + random.below(30) }, () => random.below(500));
  const logps = (n: number) => Float32Array.from({ length: n }, () => 9 * Math.log(1 - 0.9 * random.next()));
  const rows = Array.from({ length: 130 }, (_, i): CacheRow => {
    const [promptIds, chosenIds, rejectedIds] = [ids(), ids(), ids()];
    const chosenRefLogps = logps(chosenIds.length);
    const rejectedRefLogps = logps(rejectedIds.length);
    return {
      pairId: `${i}-é`,
      sourceRow: 2 * i,
      promptIds,
      chosenIds,
      rejectedIds,
      chosenRefLogps,
      rejectedRefLogps,
    };
  });
  const copy = (to: number, from: number, change: Partial<CacheRow> = {}) =>
    (rows[to] = { ...rows[from]!, pairId: `${to}-é`, sourceRow: 2 * to, ...change });
  copy(50, 3);
  rows[60]!.promptIds = rows[4]!.promptIds;
  for (const place of [70, 71]) copy(place, 5, swappedAnswers(rows[5]!));
  const one = { rejectedIds: rows[90]!.chosenIds, rejectedRefLogps: rows[90]!.chosenRefLogps };
  copy(90, 90, one);
  copy(91, 90);
  copy(100, 90, { promptIds: ids() });
  rows[101]!.chosenRefLogps[0] = 0;
  rows[101]!.rejectedRefLogps[0] = -1e-10;
  return rows;
}

function swappedAnswers(row: CacheRow): Partial<CacheRow> {
  return {
    chosenIds: row.rejectedIds,
    rejectedIds: row.chosenIds,
    chosenRefLogps: row.rejectedRefLogps,
    rejectedRefLogps: row.chosenRefLogps,
  };
}

/** Writes the rows as a finished cache. */
export async function writeCache(
  directory: string,
  rows: readonly CacheRow[],
  dropped = true,
): Promise<string> {
  const writer = await CacheWriter.open(directory, INPUTS);
  try {
    for (let at = 0; at < rows.length; at += ROWS_PER_SHARD) {
      await writer.publishShard(rows.slice(at, at + ROWS_PER_SHARD));
    }
    const lines = dropped ? '{"row":7,"reason":"unreadable","detail":"it’s \\"x\\""}\n' : '';
    await writeFile(join(directory, DROPPED_FILE), lines);
    await writer.finish(dropped ? { unreadable: 1 } : {});
  } finally {
    await writer.close();
  }
  return directory;
}
