import { LOGP_BINS, edgesOf, type CacheFigures, type Spread } from '@selective-dpo/data/figures';
import { join } from 'node:path';
import { sumLogps, type CacheRow } from '@selective-dpo/data';
import { describe, expect, it } from 'vitest';
import { CacheDatabase, QUANTILES, cacheStatistics } from '../src/index.js';
import { freshFolder, writeCache } from '../../data/test/cache/sample-cache.js';
import { plantedRows, writeCacheWithoutDrops } from './planted-cache.js';

/** Of a cache of the rows that is written for it. */
async function statisticsOf(rows: CacheRow[]): Promise<CacheFigures> {
  const directory = join(await freshFolder(), 'cache');
  await writeCache(directory, rows);
  return statisticsIn(directory);
}

async function statisticsIn(directory: string): Promise<CacheFigures> {
  const cache = await CacheDatabase.open(directory);
  try {
    return await cacheStatistics(cache);
  } finally {
    await cache.close();
  }
}

/** By the definitions alone. @param within of token quantiles: share of the value they may be off by. */
function expectSpread(found: Spread, values: readonly number[], within = 0): void {
  const sorted = [...values].sort((a, b) => a - b);
  const total = values.reduce((a, b) => a + b, 0);
  expect([found.min, found.max]).toEqual([sorted[0], sorted.at(-1)]);
  expect(found.total).toBe(values.length);
  expect(found.mean).toBeCloseTo(total / values.length, 10);
  QUANTILES.forEach((share, i) => {
    const exact = sorted[Math.floor(share * (sorted.length - 1))]!;
    expect(Math.abs(found.quantiles[i]! - exact)).toBeLessThanOrEqual(within * Math.abs(exact));
  });
  const { edges, counts } = found.histogram;
  expect(edges).toHaveLength(counts.length + 1);
  const wanted = counts.map((_, bin) => {
    const from = bin === 0 ? -Infinity : edges[bin]!;
    const to = bin === counts.length - 1 ? Infinity : edges[bin + 1]!;
    return values.filter((v) => v >= from && v < to).length;
  });
  expect(counts).toEqual(wanted);
}

const equal = (a: Int32Array, b: Int32Array) => a.join() === b.join();

/** Pairs for which an earlier one is alike, by comparing all with all. */
function repeats(rows: readonly CacheRow[], alike: (pair: CacheRow, earlier: CacheRow) => boolean): number {
  return rows.filter((pair, i) => rows.slice(0, i).some((earlier) => alike(pair, earlier))).length;
}

describe('the figures of a cache', () => {
  const rows = plantedRows();

  it('are those of a plain computation over its rows', async () => {
    const found = await statisticsOf(rows);
    expect(found).toMatchObject({ rows: 130, dropped: { unreadable: 1 } });
    expectSpread(
      found.promptTokens,
      rows.map((row) => row.promptIds.length),
    );
    expectSpread(
      found.chosenTokens,
      rows.map((row) => row.chosenIds.length),
    );
    expectSpread(
      found.rejectedTokens,
      rows.map((row) => row.rejectedIds.length),
    );
    expectSpread(
      found.chosenLogps,
      rows.flatMap((row) => [...row.chosenRefLogps]),
      0.005,
    );
    expectSpread(
      found.rejectedLogps,
      rows.flatMap((row) => [...row.rejectedRefLogps]),
      0.005,
    );
    expect(found.chosenLogps.histogram.edges).toEqual(edgesOf(LOGP_BINS));
  });

  it('say whether the reference orders the pairs, and which it orders worst', async () => {
    const { reference } = await statisticsOf(rows);
    const margins = rows.map((row) => sumLogps(row.chosenRefLogps) - sumLogps(row.rejectedRefLogps));
    const perToken = rows.map(
      (row) =>
        sumLogps(row.chosenRefLogps) / row.chosenIds.length -
        sumLogps(row.rejectedRefLogps) / row.rejectedIds.length,
    );
    expectSpread(reference.margin, margins);
    const sorted = [...margins].sort((a, b) => a - b);
    const { edges } = reference.margin.histogram;
    expect([edges.length, edges[0]]).toEqual([41, sorted[Math.floor(0.005 * 129)]]);
    expect(edges[40]).toBeCloseTo(sorted[Math.floor(0.995 * 129)]!, 10);
    expectSpread(reference.marginPerToken, perToken);
    expect(reference.accuracy).toBe(margins.filter((margin) => margin > 0).length / 130);
    expect(reference.accuracyPerToken).toBe(perToken.filter((margin) => margin > 0).length / 130);
    expect(reference.ties).toBe(3 / 130);
    const worst = margins
      .map((margin, pairIndex) => ({ pairIndex, margin }))
      .sort((a, b) => a.margin - b.margin || a.pairIndex - b.pairIndex);
    expect(reference.mostWrong).toEqual(worst.filter(({ margin }) => margin < 0).slice(0, 100));
  });

  it('count repeats and contradictions', async () => {
    const { duplicates } = await statisticsOf(rows);
    const prompts = (a: CacheRow, b: CacheRow) => equal(a.promptIds, b.promptIds);
    expect(duplicates).toEqual({
      identicalPairs: repeats(
        rows,
        (a, b) => prompts(a, b) && equal(a.chosenIds, b.chosenIds) && equal(a.rejectedIds, b.rejectedIds),
      ),
      identicalPrompts: repeats(rows, prompts),
      swappedPairs: repeats(
        rows,
        (a, b) => prompts(a, b) && equal(a.chosenIds, b.rejectedIds) && equal(a.rejectedIds, b.chosenIds),
      ),
    });
    expect(duplicates).toEqual({ identicalPairs: 3, identicalPrompts: 5, swappedPairs: 3 });
  });

  it('change with the rows (negative control), and of one pair are that pair', async () => {
    const changed = plantedRows();
    changed[50]!.chosenIds = changed[50]!.chosenIds.map((id) => id + 1);
    expect((await statisticsOf(changed)).duplicates.identicalPairs).toBe(2);
    const single = await statisticsIn(await writeCacheWithoutDrops(rows.slice(0, 1)));
    expectSpread(single.promptTokens, [rows[0]!.promptIds.length]);
    expectSpread(single.reference.margin, [
      sumLogps(rows[0]!.chosenRefLogps) - sumLogps(rows[0]!.rejectedRefLogps),
    ]);
    expect(single.dropped).toEqual({});
  });
});
