/** Margins of a policy beside the table of pairs. */
import { rowOfPair, type PairTable } from '../data/pair-table.js';
import { policyLogps, type PolicyTable } from '../data/policy-table.js';

/** Summed log-prob of chosen − rejected in nats, one a row; NaN where the policy did not see the pair. */
export function policyMargins(pairs: PairTable, policy: PolicyTable): Float64Array {
  const margins = new Float64Array(pairs.rows).fill(NaN);
  policy.pairIndex.forEach((pair, i) => {
    const row = rowOfPair(pairs, pair);
    if (row < 0) return;
    const { chosen, rejected } = policyLogps(policy, i);
    margins[row] = sum(chosen) - sum(rejected);
  });
  return margins;
}

function sum(values: Float32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
