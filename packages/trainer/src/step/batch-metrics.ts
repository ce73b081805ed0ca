/**
 * Figures of one batch of pairs, for training steps and evaluations alike. Rewards are β · Σ (lp_policy − lp_ref),
 * over all response tokens (comparable with plain DPO) and over kept tokens.
 */
import { mixSeeds } from '@selective-dpo/foundation';
import { maskedLogRatio, type PairLoss } from '../loss/preference-loss.js';
import type { PairLogps } from '../selection/alignment-score.js';
import { selectTokens, type PairSelection, type SelectionInput } from '../selection/select-tokens.js';
import type { SelectionHistory } from '../selection/selection-history.js';

/** Figures under TRL's names where TRL has them. All log-probs in nats. */
export type Metrics = Record<string, number>;

/** One pair's part in a batch. */
export interface PairOutcome {
  /** Row in the cache. */
  row: number;
  input: SelectionInput;
  selection: PairSelection;
  loss: PairLoss;
  /** Factor on the loss, see `CachedPair`. */
  weight?: number;
}

/** Means over the pairs of a batch. `history` is given in training only. */
export function batchMetrics(
  outcomes: readonly PairOutcome[],
  beta: number,
  history?: SelectionHistory,
): Metrics {
  const rewards = outcomes.map(({ input, selection }) => pairRewards(input.logps, selection, beta));
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const metrics: Metrics = { loss: mean(outcomes.map(({ loss, weight = 1 }) => weight * loss.loss)) };
  for (const [prefix, pick] of [
    ['rewards', 0],
    ['rewards_kept', 1],
  ] as const) {
    const chosen = rewards.map((r) => r.chosen[pick]);
    const rejected = rewards.map((r) => r.rejected[pick]);
    metrics[`${prefix}/chosen`] = mean(chosen);
    metrics[`${prefix}/rejected`] = mean(rejected);
    metrics[`${prefix}/margins`] = mean(chosen.map((value, i) => value - rejected[i]!));
    metrics[`${prefix}/accuracies`] = mean(chosen.map((value, i) => (value > rejected[i]! ? 1 : 0)));
  }
  metrics['logps/chosen'] = mean(outcomes.map(({ input }) => sum(input.logps.policyChosen)));
  metrics['logps/rejected'] = mean(outcomes.map(({ input }) => sum(input.logps.policyRejected)));
  metrics['logps/accuracies'] = mean(
    outcomes.map(({ input: { logps } }) => (sum(logps.policyChosen) > sum(logps.policyRejected) ? 1 : 0)),
  );
  return { ...metrics, ...selectionMetrics(outcomes, history) };
}

/** Rewards of each response of a pair: [over all its tokens, over the kept ones]. */
export function pairRewards(
  logps: PairLogps,
  selection: PairSelection,
  beta: number,
): { chosen: [number, number]; rejected: [number, number] } {
  const all = (list: Float32Array) => new Uint8Array(list.length).fill(1);
  const reward = (policy: Float32Array, ref: Float32Array, mask: Uint8Array): [number, number] => [
    beta * maskedLogRatio(policy, ref, all(policy)),
    beta * maskedLogRatio(policy, ref, mask),
  ];
  return {
    chosen: reward(logps.policyChosen, logps.refChosen, selection.chosen),
    rejected: reward(logps.policyRejected, logps.refRejected, selection.rejected),
  };
}

function selectionMetrics(outcomes: readonly PairOutcome[], history: SelectionHistory | undefined): Metrics {
  const kept = outcomes.reduce((n, { selection }) => n + sum(selection.chosen) + sum(selection.rejected), 0);
  const tokens = outcomes.reduce(
    (n, { selection }) => n + selection.chosen.length + selection.rejected.length,
    0,
  );
  const metrics: Metrics = { 'selection/kept_fraction': kept / tokens, 'selection/tokens': kept };
  const thresholds = outcomes
    .flatMap(({ selection }) => [selection.chosenThreshold, selection.rejectedThreshold])
    .filter((threshold) => Number.isFinite(threshold))
    .sort((a, b) => a - b);
  if (thresholds.length > 0) {
    for (const percent of [10, 50, 90]) {
      metrics[`selection/threshold_p${percent}`] =
        thresholds[Math.floor((percent / 100) * (thresholds.length - 1))]!;
    }
  }
  metrics['selection/overlap_random'] = overlapWithRandom(outcomes, kept, tokens);
  const visits = outcomes.flatMap(({ row, selection }) => history?.visit(row, selection) ?? []);
  const keptNow = visits.reduce((n, visit) => n + visit.kept, 0);
  if (keptNow > 0) {
    metrics['selection/overlap_previous'] = visits.reduce((n, visit) => n + visit.keptBefore, 0) / keptNow;
  }
  return metrics;
}

/** Share of the kept tokens that a random draw of the same share keeps, too: what chance alone would give. */
function overlapWithRandom(outcomes: readonly PairOutcome[], kept: number, tokens: number): number {
  const inputs = outcomes.map(({ input }) => ({ ...input, seed: mixSeeds(input.seed, 0x5eed) }));
  const draws = selectTokens(inputs, {
    rule: 'random',
    keep: kept / tokens,
    spanUnit: 'window',
    spanWindow: 1,
  });
  let shared = 0;
  outcomes.forEach(({ selection }, i) => {
    selection.chosen.forEach((bit, t) => (shared += bit & draws[i]!.chosen[t]!));
    selection.rejected.forEach((bit, t) => (shared += bit & draws[i]!.rejected[t]!));
  });
  return kept === 0 ? 0 : shared / kept;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
