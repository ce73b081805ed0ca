/** Log-probs of a policy for a sample of the pairs, flat: 4 bytes a token. */
import type { ParquetFile } from '../files/parquet-file.js';
import type { PairContent } from './pair-content.js';
import { SiteProblem } from '../files/site-problem.js';

/** Tokens that a page takes of one policy. */
const MAX_TOKENS = 32_000_000;

export interface PolicyTable {
  /** [pairs], ascending places in the cache. */
  pairIndex: Int32Array;
  /** [pairs + 1]: where the tokens of each pair begin. */
  chosenStart: Int32Array;
  rejectedStart: Int32Array;
  /** Nats, all pairs one after the other. */
  chosenLogps: Float32Array;
  rejectedLogps: Float32Array;
}

/** @throws SiteProblem for a file that is damaged or too large. */
export async function readPolicyTable(file: ParquetFile): Promise<PolicyTable> {
  const pairs: { pair: number; chosen: Float32Array; rejected: Float32Array }[] = [];
  let tokens = 0;
  for (let from = 0; from < file.rows; from += 1024) {
    const to = Math.min(file.rows, from + 1024);
    for (const row of await file.readRows(['pair_index', 'chosen_logps', 'rejected_logps'], from, to)) {
      const chosen = Float32Array.from(row['chosen_logps'] as ArrayLike<number>);
      const rejected = Float32Array.from(row['rejected_logps'] as ArrayLike<number>);
      tokens += chosen.length + rejected.length;
      if (tokens > MAX_TOKENS) throw new SiteProblem(`the policy's file has more than ${MAX_TOKENS} tokens`);
      pairs.push({ pair: Number(row['pair_index']), chosen, rejected });
    }
  }
  const [chosenStart, chosenLogps] = joined(pairs.map(({ chosen }) => chosen));
  const [rejectedStart, rejectedLogps] = joined(pairs.map(({ rejected }) => rejected));
  return {
    pairIndex: Int32Array.from(pairs, ({ pair }) => pair),
    ...{ chosenStart, rejectedStart, chosenLogps, rejectedLogps },
  };
}

function joined(lists: readonly Float32Array[]): [Int32Array, Float32Array] {
  const starts = new Int32Array(lists.length + 1);
  lists.forEach((list, i) => (starts[i + 1] = starts[i]! + list.length));
  const all = new Float32Array(starts.at(-1)!);
  lists.forEach((list, i) => all.set(list, starts[i]));
  return [starts, all];
}

/** Log-probs of a row of the table: chosen [C], rejected [R]. */
export function policyLogps(
  table: PolicyTable,
  row: number,
): { chosen: Float32Array; rejected: Float32Array } {
  return {
    chosen: table.chosenLogps.subarray(table.chosenStart[row], table.chosenStart[row + 1]),
    rejected: table.rejectedLogps.subarray(table.rejectedStart[row], table.rejectedStart[row + 1]),
  };
}

/** As {@link policyLogps} for a pair that is known. @throws SiteProblem where they are of other answers. */
export function pairLogps(
  table: PolicyTable,
  row: number,
  { chosenIds, rejectedIds, pairIndex }: PairContent,
): { chosen: Float32Array; rejected: Float32Array } {
  const logps = policyLogps(table, row);
  if (logps.chosen.length === chosenIds.length && logps.rejected.length === rejectedIds.length) return logps;
  throw new SiteProblem(
    `the log-probs of the policy for pair ${pairIndex} are of other tokens`,
    'Make the site again.',
  );
}
