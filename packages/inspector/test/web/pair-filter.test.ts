import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { DUPLICATE_KINDS, rowOfPair, type PairTable } from '../../web/data/pair-table.js';
import { filterOf, filterQuery } from '../../web/pairs/filter-address.js';
import {
  DUPLICATE_FILTERS,
  NO_FILTER,
  selectRows,
  SORT_KEYS,
  VERDICTS,
  type PairFilter,
} from '../../web/pairs/pair-filter.js';
import { policyMargins } from '../../web/pairs/policy-margins.js';
import { listWindow, MAX_HEIGHT, scrollToRow } from '../../web/pairs/window.js';

function randomTable(rows: number, random: SeededRandom): PairTable {
  const counts = () => Int32Array.from({ length: rows }, () => 1 + random.below(9));
  const sums = () => Float64Array.from({ length: rows }, () => -random.below(6));
  return {
    rows,
    pairIndex: Int32Array.from({ length: rows }, (_, row) => 2 * row),
    ...{ promptTokens: counts(), chosenTokens: counts(), rejectedTokens: counts() },
    ...{ refChosen: sums(), refRejected: sums() },
    duplicateOf: new Int32Array(rows),
    duplicateKind: Uint8Array.from({ length: rows }, () => random.below(DUPLICATE_KINDS.length)),
  };
}

/** The same list by plain objects and a stable sort. */
function bruteForce(
  table: PairTable,
  policy: Float64Array,
  found: ReadonlySet<number> | undefined,
  filter: PairFilter,
) {
  const rows = Array.from({ length: table.rows }, (_, row) => {
    const margin = table.refChosen[row]! - table.refRejected[row]!;
    const [prompt, chosen, rejected] = [
      table.promptTokens[row]!,
      table.chosenTokens[row]!,
      table.rejectedTokens[row]!,
    ];
    return {
      ...{
        row,
        index: row,
        prompt,
        chosen,
        rejected,
        total: prompt + chosen + rejected,
        margin,
        policy: policy[row]!,
      },
      'token-margin': table.refChosen[row]! / chosen - table.refRejected[row]! / rejected,
      kind: DUPLICATE_KINDS[table.duplicateKind[row]!]!,
    };
  });
  const holds = (value: number, { from = -Infinity, to = Infinity }: PairFilter['total']) =>
    Number.isNaN(value) ? from === -Infinity && to === Infinity : value >= from && value <= to;
  const kept = rows.filter(
    (one) =>
      (found === undefined || found.has(2 * one.row)) &&
      holds(one.total, filter.total) &&
      holds(one.margin, filter.margin) &&
      holds(one.policy, filter.policy) &&
      { any: true, right: one.margin > 0, wrong: one.margin < 0, tie: one.margin === 0 }[filter.verdict] &&
      (filter.duplicates === 'any' ||
        (filter.duplicates === 'some' ? one.kind !== 'none' : one.kind === filter.duplicates)),
  );
  const [having, without] = [true, false].map((has) =>
    kept.filter((one) => Number.isNaN(one[filter.sort]) !== has),
  ) as [typeof rows, typeof rows];
  having.sort((a, b) =>
    filter.descending ? b[filter.sort] - a[filter.sort] : a[filter.sort] - b[filter.sort],
  );
  return [...having, ...without].map(({ row }) => row);
}

describe('the list of pairs', () => {
  it('has the rows and the order that brute force gives', () => {
    const random = new SeededRandom(11);
    const one = <T>(values: readonly T[]) => values[random.below(values.length)]!;
    const interval = () => ({
      from: random.below(3) === 0 ? random.below(10) - 5 : undefined,
      to: random.below(3) === 0 ? random.below(20) : undefined,
    });
    let nonTrivial = 0;
    for (let trial = 0; trial < 500; trial++) {
      const table = randomTable(60, random);
      const policy = Float64Array.from({ length: 60 }, () =>
        random.below(3) === 0 ? NaN : random.below(9) - 4,
      );
      const found =
        trial % 3 === 0 ? new Set(Array.from({ length: 40 }, () => 2 * random.below(60))) : undefined;
      const filter: PairFilter = {
        ...{ sort: one(SORT_KEYS), descending: random.below(2) === 0, verdict: one(VERDICTS) },
        ...{ duplicates: one(DUPLICATE_FILTERS), total: interval(), margin: interval(), policy: interval() },
      };
      const rows = [...selectRows({ table, policyMargin: policy, found }, filter)];
      expect(rows, JSON.stringify(filter)).toEqual(bruteForce(table, policy, found, filter));
      if (rows.length > 3) nonTrivial++;
    }
    expect(nonTrivial).toBeGreaterThan(80);
  });

  it('has a link for every filter', () => {
    const filter: PairFilter = {
      ...{ sort: 'margin', descending: true, verdict: 'wrong', duplicates: 'near' },
      ...{
        total: { from: 3, to: undefined },
        margin: { from: undefined, to: -0.5 },
        policy: { from: -1, to: 2 },
      },
    };
    const query = new URLSearchParams(Object.entries(filterQuery(filter)) as [string, string][]);
    expect(filterOf(query)).toEqual(filter);
    expect(filterQuery(NO_FILTER)).toEqual({});
  });

  it('takes nothing from a link that it does not understand', () => {
    const query = new URLSearchParams(
      'sort=__proto__&reference=<script>&tokens=a..b&margin=..&duplicates=constructor',
    );
    expect(filterQuery(filterOf(query))).toEqual({});
  });

  it('finds pairs and the margins of a policy by their places', () => {
    const table = randomTable(50, new SeededRandom(3));
    expect([0, 48, 98, 7, 100, -2].map((pair) => rowOfPair(table, pair))).toEqual([0, 24, 49, -1, -1, -1]);
    const policy = {
      pairIndex: Int32Array.of(4, 7),
      ...{ chosenStart: Int32Array.of(0, 2, 3), rejectedStart: Int32Array.of(0, 1, 2) },
      ...{ chosenLogps: Float32Array.of(-1, -2, -9), rejectedLogps: Float32Array.of(-0.5, -9) },
    };
    const margins = policyMargins(table, policy);
    expect(margins[2]).toBe(-2.5);
    expect(margins.filter((margin) => !Number.isNaN(margin))).toHaveLength(1);
  });
});

describe('the rows in sight', () => {
  it('are those at the scrolled place, however long the list', () => {
    for (const count of [0, 1, 9, 1000, 100_000, 5_000_000]) {
      const whole = count * 56;
      const { height } = listWindow(count, 0, 600, 56);
      expect(height).toBe(Math.min(whole, MAX_HEIGHT));
      for (const share of [0, 0.3, 0.77, 1]) {
        const scroll = share * Math.max(0, height - 600);
        const { first, end, offset } = listWindow(count, scroll, 600, 56);
        const top = scroll - offset + first * 56;
        expect(top).toBeCloseTo(share * Math.max(0, whole - 600), 3);
        expect(first * 56).toBeLessThanOrEqual(top + 1e-6);
        expect(end * 56).toBeGreaterThanOrEqual(Math.min(whole, top + 600) - 1e-6);
        expect(end - first).toBeLessThan(30);
      }
    }
  });

  it('can be brought there from anywhere', () => {
    for (const count of [50, 100_000, 5_000_000]) {
      for (const index of [0, 1, Math.floor(count / 2), count - 1]) {
        const scroll = scrollToRow(index, count, 12_345, 600, 56);
        const { first, end } = listWindow(count, scroll, 600, 56);
        expect(index).toBeGreaterThanOrEqual(first);
        expect(index).toBeLessThan(end);
      }
    }
  });
});
