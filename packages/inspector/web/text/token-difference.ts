/**
 * Which tokens two answers share, in order: the shortest edit script of Myers, "An O(ND) difference algorithm and its
 * variations" (1986), bounded in the number of edits.
 */

/** A stretch of the aligned answers: tokens [a, aEnd) of the first and [b, bEnd) of the second. */
export interface Stretch {
  kind: 'same' | 'different';
  a: number;
  aEnd: number;
  b: number;
  bEnd: number;
}

/** Edits looked for; memory is a number a diagonal for each: 4 · MAX² bytes = 16 MB at the most. */
const MAX_EDITS = 2000;

/**
 * Aligns two lists [A] and [B] of ids.
 * @param limit edits; where more are needed, what lies between the common beginning and end is one stretch.
 * @returns stretches that cover both, in order.
 */
export function alignTokens(a: ArrayLike<number>, b: ArrayLike<number>, limit = MAX_EDITS): Stretch[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  )
    tail++;
  const [aEnd, bEnd] = [a.length - tail, b.length - tail];
  const pairs = commonPairs(a, b, head, aEnd, bEnd, limit);
  const stretches: Stretch[] = [];
  let [x, y] = [0, 0];
  const same = (fromA: number, fromB: number, length: number) => {
    if (fromA > x || fromB > y) stretches.push({ kind: 'different', a: x, aEnd: fromA, b: y, bEnd: fromB });
    if (length > 0)
      stretches.push({ kind: 'same', a: fromA, aEnd: fromA + length, b: fromB, bEnd: fromB + length });
    [x, y] = [fromA + length, fromB + length];
  };
  if (head > 0) same(0, 0, head);
  for (const [fromA, fromB, length] of pairs) same(fromA, fromB, length);
  same(aEnd, bEnd, tail);
  return merged(stretches);
}

/** Runs of common tokens [place in a, place in b, length] between `head` and the ends. */
function commonPairs(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  head: number,
  aEnd: number,
  bEnd: number,
  limit: number,
): [number, number, number][] {
  const [n, m] = [aEnd - head, bEnd - head];
  if (n === 0 || m === 0) return [];
  // furthest[d][k + d]: how far along a the furthest path with d edits on diagonal k reaches.
  const furthest: Int32Array[] = [];
  for (let d = 0; d <= Math.min(limit, n + m); d++) {
    const row = new Int32Array(2 * d + 1).fill(-1);
    const before = furthest[d - 1];
    furthest.push(row);
    for (let k = -d; k <= d; k += 2) {
      let x = d === 0 ? 0 : stepTo(before!, d, k);
      if (x < 0 || x > n || x - k > m || x - k < 0) continue;
      while (x < n && x - k < m && a[head + x] === b[head + x - k]) x++;
      row[k + d] = x;
      if (x >= n && x - k >= m) return walkBack(furthest, head, n, m);
    }
  }
  return [];
}

/** Where an edit from a path with d − 1 edits arrives on diagonal k: down (an insertion) or right (a deletion). */
function stepTo(before: Int32Array, d: number, k: number): number {
  const reach = (diagonal: number) => before[diagonal + d - 1] ?? -1;
  const [down, right] = [reach(k + 1), reach(k - 1)];
  return Math.max(down, right < 0 ? -1 : right + 1);
}

function walkBack(
  furthest: readonly Int32Array[],
  head: number,
  n: number,
  m: number,
): [number, number, number][] {
  const runs: [number, number, number][] = [];
  let [x, k] = [n, n - m];
  for (let d = furthest.length - 1; d >= 0; d--) {
    const start = d === 0 ? 0 : stepTo(furthest[d - 1]!, d, k);
    if (x > start) runs.push([head + start, head + start - k, x - start]);
    if (d === 0) break;
    const down = furthest[d - 1]![k + 1 + d - 1] ?? -1;
    if (down === start) [x, k] = [down, k + 1];
    else [x, k] = [start - 1, k - 1];
  }
  return runs.reverse();
}

/** Neighbouring stretches of a kind become one. */
function merged(stretches: readonly Stretch[]): Stretch[] {
  const all: Stretch[] = [];
  for (const stretch of stretches) {
    const last = all.at(-1);
    if (last?.kind === stretch.kind) [last.aEnd, last.bEnd] = [stretch.aEnd, stretch.bEnd];
    else all.push({ ...stretch });
  }
  return all;
}
