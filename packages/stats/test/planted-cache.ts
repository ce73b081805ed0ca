/** A cache of random rows with repeats, contradictions and ties among them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CacheWriter, DROPPED_FILE, type CacheRow } from '@selective-dpo/data';
import { freshFolder, sampleInputs, sampleRows } from '../../data/test/cache/sample-cache.js';

/** 130 rows; 50 repeats 3, 60 has the prompt of 4, 70 and 71 are 5 swapped, 90 has one answer twice, 91 repeats it, 100 and 101 are odd. */
export function plantedRows(): CacheRow[] {
  const rows = sampleRows(130, 11);
  const copy = (to: number, from: number, change: Partial<CacheRow> = {}) =>
    (rows[to] = { ...rows[from]!, pairId: rows[to]!.pairId, sourceRow: to, ...change });
  const { promptIds } = rows[100]!;
  copy(50, 3);
  rows[60]!.promptIds = rows[4]!.promptIds;
  for (const place of [70, 71]) copy(place, 5, swappedAnswers(rows[5]!));
  copy(90, 90, { rejectedIds: rows[90]!.chosenIds, rejectedRefLogps: rows[90]!.chosenRefLogps });
  copy(91, 90);
  copy(100, 90, { promptIds });
  rows[101]!.chosenRefLogps[0] = 0;
  rows[101]!.rejectedRefLogps[0] = -1e-10;
  rows[102]!.chosenRefLogps[0] = -30;
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

/** A cache of one shard, of a dataset that lost no row. */
export async function writeCacheWithoutDrops(rows: readonly CacheRow[]): Promise<string> {
  const directory = join(await freshFolder(), 'cache');
  const writer = await CacheWriter.open(directory, sampleInputs());
  try {
    await writer.publishShard(rows);
    await writeFile(join(directory, DROPPED_FILE), '');
    await writer.finish({});
  } finally {
    await writer.close();
  }
  return directory;
}
