/** The figures of one held-out pair: what a table has a row of, and what intervals are computed over. */
import { sumLogps } from '@selective-dpo/data';
import { pairRewards, type CachedPair, type PairOutcome } from '@selective-dpo/trainer';

/** One pair under one model. Log-probs in nats, summed over the response; `kept`: over the tokens that are selected. */
export interface PairFigures {
  model: string;
  /** Row in the cache. */
  row: number;
  pair_id: string;
  /** Row in the preference file. */
  source_row: number;
  chosen_tokens: number;
  rejected_tokens: number;
  chosen_tokens_kept: number;
  rejected_tokens_kept: number;
  loss: number;
  logps_chosen: number;
  logps_rejected: number;
  ref_logps_chosen: number;
  ref_logps_rejected: number;
  logps_kept_chosen: number;
  logps_kept_rejected: number;
  /** β · Σ (lp_policy − lp_ref). */
  rewards_chosen: number;
  rewards_rejected: number;
  rewards_kept_chosen: number;
  rewards_kept_rejected: number;
}

/** @param model name of the model. */
export function pairFigures(
  model: string,
  { row }: CachedPair,
  { row: index, input: { logps }, selection, loss }: PairOutcome,
  beta: number,
): PairFigures {
  const { chosen, rejected } = pairRewards(logps, selection, beta);
  return {
    ...{ model, row: index, pair_id: row.pairId, source_row: row.sourceRow },
    chosen_tokens: row.chosenIds.length,
    rejected_tokens: row.rejectedIds.length,
    chosen_tokens_kept: countOf(selection.chosen),
    rejected_tokens_kept: countOf(selection.rejected),
    loss: loss.loss,
    logps_chosen: sumLogps(logps.policyChosen),
    logps_rejected: sumLogps(logps.policyRejected),
    ref_logps_chosen: sumLogps(logps.refChosen),
    ref_logps_rejected: sumLogps(logps.refRejected),
    logps_kept_chosen: sumLogps(logps.policyChosen.filter((_, t) => selection.chosen[t] === 1)),
    logps_kept_rejected: sumLogps(logps.policyRejected.filter((_, t) => selection.rejected[t] === 1)),
    rewards_chosen: chosen[0],
    rewards_rejected: rejected[0],
    rewards_kept_chosen: chosen[1],
    rewards_kept_rejected: rejected[1],
  };
}

/** The means that come with an interval, under TRL's names where TRL has them. */
export const MEANS = [
  ...['loss', 'logps/accuracies', 'logps/margins', 'logps_kept/accuracies', 'logps_kept/margins'],
  ...['rewards/accuracies', 'rewards/margins', 'rewards_kept/accuracies', 'rewards_kept/margins'],
  ...['ref_logps/accuracies', 'ref_logps/margins'],
] as const;

/** One pair's part in {@link MEANS}. */
export function pairMeans(pair: PairFigures): Record<string, number> {
  const means: Record<string, number> = { loss: pair.loss };
  for (const kind of ['logps', 'logps_kept', 'rewards', 'rewards_kept', 'ref_logps'] as const) {
    const [chosen, rejected] = [pair[`${kind}_chosen`], pair[`${kind}_rejected`]];
    means[`${kind}/accuracies`] = chosen > rejected ? 1 : 0;
    means[`${kind}/margins`] = chosen - rejected;
  }
  return means;
}

function countOf(mask: Uint8Array): number {
  return mask.reduce((sum, bit) => sum + bit, 0);
}
