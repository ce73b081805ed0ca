import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { DuplicateFinder } from '../src/figures/duplicates.js';
import { NEAR_SIMILARITY, NearDuplicates, SHINGLE } from '../src/figures/near-duplicates.js';

interface Lists {
  promptIds: Int32Array;
  chosenIds: Int32Array;
  rejectedIds: Int32Array;
}

const listsOf = ({ promptIds, chosenIds, rejectedIds }: Lists) => [promptIds, chosenIds, rejectedIds];

function shingles(pair: Lists): Set<string> {
  const found = new Set<string>();
  for (const ids of listsOf(pair)) {
    const width = Math.min(SHINGLE, ids.length);
    for (let begin = 0; begin + width <= ids.length; begin++)
      found.add(ids.slice(begin, begin + width).join());
  }
  return found;
}

function jaccard(a: Set<string>, b: Set<string>): number {
  let both = 0;
  for (const one of a) if (b.has(one)) both++;
  return both / (a.size + b.size - both);
}

/** Pairs of which half come from an earlier one with some tokens replaced. */
function relatedPairs(count: number, seed: number): Lists[] {
  const random = new SeededRandom(seed);
  const ids = () => Int32Array.from({ length: 30 + random.below(60) }, () => random.below(3000));
  const pairs: Lists[] = [];
  for (let i = 0; i < count; i++) {
    if (i === 0 || random.next() < 0.5) {
      pairs.push({ promptIds: ids(), chosenIds: ids(), rejectedIds: ids() });
      continue;
    }
    const from = pairs[random.below(pairs.length)]!;
    const share = 0.06 * random.next();
    const changed = (list: Int32Array) => list.map((id) => (random.next() < share ? random.below(3000) : id));
    pairs.push({
      promptIds: changed(from.promptIds),
      chosenIds: changed(from.chosenIds),
      rejectedIds: changed(from.rejectedIds),
    });
  }
  return pairs;
}

const pair = (prompt: number[], chosen: number[], rejected: number[]) => ({
  ...{ pairId: 'x', sourceRow: 0, promptIds: Int32Array.from(prompt) },
  ...{ chosenIds: Int32Array.from(chosen), rejectedIds: Int32Array.from(rejected) },
});

describe('nearly identical pairs beside Jaccard’s similarity by brute force', () => {
  it('finds those well above the bound, none well below it, and the most similar one', () => {
    const pairs = relatedPairs(600, 3);
    const sets = pairs.map(shingles);
    const finder = new NearDuplicates(pairs.length);
    let [above, below, inBetween] = [0, 0, 0];
    pairs.forEach((lists, i) => {
      const exact = sets.slice(0, i).map((set) => jaccard(set, sets[i]!));
      const most = Math.max(0, ...exact);
      const found = finder.add(i, listsOf(lists));
      if (most >= NEAR_SIMILARITY + 0.12) {
        above++;
        expect(found, `pair ${i}, similarity ${most}`).toBeDefined();
        expect(exact[found!]).toBeGreaterThan(most - 0.15);
      } else if (most < NEAR_SIMILARITY - 0.12) {
        below++;
        expect(found, `pair ${i}, similarity ${most}`).toBeUndefined();
      } else inBetween++;
    });
    // The sample has enough of every kind for the above to mean something.
    expect(Math.min(above, below, inBetween)).toBeGreaterThan(30);
  });

  it('gives the same answers again, and takes lists shorter than a shingle', () => {
    const pairs = [pair([1], [2, 3], [4]), pair([1], [2, 3], [4]), pair([1], [2, 3], [5])];
    const found = () => {
      const finder = new NearDuplicates(3);
      return pairs.map((lists, i) => finder.add(i, listsOf(lists)));
    };
    expect(found()).toEqual(found());
    expect(found()).toEqual([undefined, 0, undefined]);
  });

  it('compares with a bounded number of pairs, however many are alike', () => {
    const finder = new NearDuplicates(3000);
    const lists = listsOf(pair([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12], [13, 14, 15, 16, 17]));
    for (let i = 0; i < 3000; i++)
      expect(finder.add(i, lists)).toBe(i === 0 ? undefined : Math.max(0, i - 256));
  });
});

describe('repeated pairs', () => {
  const [a, b, c] = [
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ] as const;
  const kinds = (...pairs: ReturnType<typeof pair>[]) => {
    const finder = new DuplicateFinder(pairs.length);
    return { told: pairs.map((one, i) => finder.add(i, one)), figures: finder.figures() };
  };

  it('are told by kind, and counted', () => {
    const { told, figures } = kinds(
      pair([...a], [...b], [...c]),
      pair([...a], [...c], [...b]),
      pair([...a], [...b], [...c]),
      pair([...a], [9, 9], [8]),
      pair([...b], [...b], [...c]),
    );
    expect(told).toEqual([
      undefined,
      { of: 0, kind: 'swapped' },
      { of: 0, kind: 'pair' },
      { of: 0, kind: 'prompt' },
      undefined,
    ]);
    expect(figures).toEqual({
      identicalPairs: 1,
      identicalPrompts: 3,
      swappedPairs: 2,
      nearIdenticalPairs: 0,
    });
  });

  it('are not confused where tokens move between prompt and answer', () => {
    const { told } = kinds(pair([1, 2], [3, 4], [5]), pair([1], [2, 3, 4], [5]), pair([1, 2], [3], [4, 5]));
    expect(told.map((one) => one?.kind)).toEqual([undefined, undefined, 'prompt']);
  });

  it('are counted as by brute force', () => {
    const random = new SeededRandom(8);
    const ids = () => Array.from({ length: 1 + random.below(2) }, () => random.below(2));
    const pairs = Array.from({ length: 300 }, () => pair(ids(), ids(), ids()));
    const [prompts, wholes] = [new Set<string>(), new Set<string>()];
    const wanted = { identicalPairs: 0, identicalPrompts: 0, swappedPairs: 0 };
    for (const { promptIds: p, chosenIds: x, rejectedIds: y } of pairs) {
      if (prompts.has(p.join())) wanted.identicalPrompts++;
      if (wholes.has([p, x, y].join('|'))) wanted.identicalPairs++;
      if (wholes.has([p, y, x].join('|'))) wanted.swappedPairs++;
      prompts.add(p.join());
      wholes.add([p, x, y].join('|'));
    }
    expect(wanted.swappedPairs).toBeGreaterThan(10);
    expect(kinds(...pairs).figures).toMatchObject(wanted);
  });
});
