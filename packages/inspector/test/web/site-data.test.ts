import { SeededRandom } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SiteDescription } from '../../src/site-contract.js';
import { DirectSiteData } from '../../web/data/site-data.js';
import { DUPLICATE_KINDS } from '../../web/data/pair-table.js';
import { policyLogps } from '../../web/data/policy-table.js';
import type { SiteFiles } from '../../web/files/site-files.js';
import { SiteProblem } from '../../web/files/site-problem.js';
import type { SearchHit } from '../../web/text/search.js';
import { madeSite, marginOf, movedLogps, randomPairs, WORD_VOCABULARY, type Files } from './made-site.js';

/** Files in memory; `read` counts their bytes. */
export function memoryFiles(files: Files, counted: { bytes: number } = { bytes: 0 }): SiteFiles {
  return {
    read(path, range) {
      const bytes = files.get(path);
      if (bytes === undefined) return Promise.reject(new SiteProblem(`no ${path}`));
      const [start, end] =
        range === undefined
          ? [0, bytes.length]
          : 'last' in range
            ? [Math.max(0, bytes.length - range.last), bytes.length]
            : [range.start, range.end];
      const piece = bytes.slice(start, end);
      counted.bytes += piece.length;
      return Promise.resolve({ bytes: piece, total: bytes.length });
    },
  };
}

const descriptionOf = (files: Files): SiteDescription =>
  JSON.parse(new TextDecoder().decode(files.get('data/site.json'))) as SiteDescription;

const pairs = randomPairs(2500, 3);
const logps = movedLogps(pairs, 4, 1, (index) => index % 3 === 1);
let files: Files;
let data: DirectSiteData;
const counted = { bytes: 0 };

beforeAll(async () => {
  const policies = [{ name: 'final', step: 9, logps }];
  files = await madeSite({ pairs, rowsPerShard: 512, vocabulary: WORD_VOCABULARY, policies });
  data = new DirectSiteData(memoryFiles(files, counted), descriptionOf(files).cache!);
});

describe('the data of a site', () => {
  it('has the numbers of every pair, and reads no text for them', async () => {
    counted.bytes = 0;
    const table = await data.pairTable();
    expect(table.rows).toBe(pairs.length);
    pairs.forEach((pair, row) => {
      expect(table.pairIndex[row]).toBe(row);
      expect(table.promptTokens[row]).toBe(pair.promptIds.length);
      expect(table.refChosen[row]! - table.refRejected[row]!).toBe(marginOf(pair));
      expect(table.duplicateOf[row]).toBe(pair.duplicateOf ?? -1);
      expect(DUPLICATE_KINDS[table.duplicateKind[row]!]).toBe(pair.duplicateKind ?? 'none');
    });
    expect(counted.bytes).toBeLessThan(files.get('data/pairs.parquet')!.length * 0.75);
  });

  it('has the texts of the list by blocks', async () => {
    const block = await data.pairTexts(2);
    expect(block).toHaveLength(2500 - 2048);
    expect(block[5]).toEqual({ pairId: 'id-2053', sourceRow: 2053, opening: pairs[2053]!.opening });
  });

  it('has every pair as the cache has it', async () => {
    for (const index of [0, 511, 512, 1030, 2499]) {
      const pair = await data.pair(index);
      expect([...pair.promptIds]).toEqual(pairs[index]!.promptIds);
      expect([...pair.rejectedIds]).toEqual(pairs[index]!.rejectedIds);
      expect([...pair.chosenRefLogps]).toEqual(pairs[index]!.chosenRefLogps);
    }
    const some = await data.pairs([2000, 3, 600, 2]);
    expect(some.map(({ pairIndex }) => pairIndex)).toEqual([2000, 3, 600, 2]);
    await expect(data.pair(2500)).rejects.toThrow(/no pair 2500/);
  });

  it('reads a shard once for the pairs in it', async () => {
    await data.pair(100);
    counted.bytes = 0;
    await data.pair(101);
    expect(counted.bytes).toBe(0);
  });

  it('has the log-probs of a policy by pair', async () => {
    const table = await data.policy('data/policies/final.parquet');
    expect([...table.pairIndex]).toEqual([...logps.keys()]);
    const { chosen, rejected } = policyLogps(table, 7);
    expect([[...chosen], [...rejected]]).toEqual(logps.get(table.pairIndex[7]!));
  });
});

describe('the search', () => {
  const textOf = (ids: readonly number[]) =>
    ids.map((id) => (WORD_VOCABULARY.special.includes(id) ? '' : WORD_VOCABULARY.texts[id])).join('');

  it('finds the pairs that brute force finds', async () => {
    for (const query of ['cat dog', 'CAT DOG CAT', 'was it\n', 'assistant: the', 'nowhere at all']) {
      const hits: SearchHit[] = [];
      let last = { done: 0, of: 0 };
      await data.search(
        query,
        (progress) => (hits.push(...progress.hits), (last = progress)),
        new AbortController().signal,
      );
      const expected = pairs.flatMap((pair, index) => {
        const part = (['prompt', 'chosen', 'rejected'] as const).find((one) =>
          textOf(pair[`${one}Ids`]).toLowerCase().includes(query.toLowerCase()),
        );
        return part === undefined ? [] : [`${index} ${part}`];
      });
      expect(hits.map(({ pair, part }) => `${pair} ${part}`)).toEqual(expected);
      expect([last.done, last.of]).toEqual([2500, 2500]);
    }
  });

  it('ends when it is stopped', async () => {
    const stop = new AbortController();
    let done = 0;
    await data.search('cat', (progress) => ((done = progress.done), stop.abort()), stop.signal);
    expect(done).toBe(256);
  });
});

describe('damaged files', () => {
  it('end in the right rows or in one problem that names the file, whatever bit flips', async () => {
    const path = 'data/cache/shards/shard-0.parquet';
    const small = await madeSite({ pairs: randomPairs(20, 1), vocabulary: WORD_VOCABULARY });
    const { cache } = descriptionOf(small);
    const sound = small.get(path)!;
    const random = new SeededRandom(2);
    const outcomes = { rows: 0, problems: 0 };
    for (let trial = 0; trial < 300; trial++) {
      const bytes = Uint8Array.from(sound);
      // Half of the flips go into the metadata at the end.
      const at = trial % 2 === 0 ? random.below(bytes.length) : bytes.length - 1 - random.below(1200);
      bytes[at]! ^= 1 << random.below(8);
      const damaged = new DirectSiteData(memoryFiles(new Map([...small, [path, bytes]])), cache!);
      try {
        const pair = await damaged.pair(7);
        expect(pair.chosenIds.length).toBe(pair.chosenRefLogps.length);
        outcomes.rows++;
      } catch (error) {
        expect(error).toBeInstanceOf(SiteProblem);
        expect((error as Error).message).toContain(path);
        outcomes.problems++;
      }
    }
    expect(Math.min(outcomes.rows, outcomes.problems)).toBeGreaterThan(20);
  });

  it.each([0, 3, 11, 400])('of %d bytes are no Parquet', async (length) => {
    const small = await madeSite({ pairs: randomPairs(5, 1) });
    const path = 'data/pairs.parquet';
    const cut = new Map([...small, [path, small.get(path)!.slice(0, length)] as const]);
    const data = new DirectSiteData(memoryFiles(cut), descriptionOf(small).cache!);
    await expect(data.pairTable()).rejects.toThrow(/data\/pairs\.parquet is damaged/);
  });

  it('with another number of rows than the site says are refused', async () => {
    const small = await madeSite({ pairs: randomPairs(40, 1), rowsPerShard: 20 });
    const [first, second] = ['data/cache/shards/shard-0.parquet', 'data/cache/shards/shard-1.parquet'];
    const other = await madeSite({ pairs: randomPairs(3, 1) });
    const data = new DirectSiteData(
      memoryFiles(new Map([...small, [second, other.get(first)!] as const])),
      descriptionOf(small).cache!,
    );
    await expect(data.pair(25)).rejects.toThrow(/3 rows in place of 20/);
    expect((await data.pair(5)).pairIndex).toBe(5);
  });
});
