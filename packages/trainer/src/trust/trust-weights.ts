/** What trust in the reference makes of the pairs of a step. */
import type { TrainingConfig } from '../config/training-config.js';
import type { Metrics, PairOutcome } from '../step/batch-metrics.js';
import type { CachedPair } from '../step/selective-step.js';
import { distanceFromReference, pairTrust, referenceMargin } from './pair-trust.js';
import type { ReferenceSurvey } from './reference-survey.js';

type TrustSettings = Pick<TrainingConfig, 'refTrust' | 'refTrustScale'>;

/**
 * Weights the pairs of a training step: with refTrust=weight by trust / mean trust of all training pairs. The mean over an epoch is 1, the loss
 * of a step stays a mean over its pairs (1/n Σ w L), and a pair's weight depends on nothing that stands beside it: not on the batch, its
 * micro-batches, or the step. With other settings the pairs are left as they are.
 */
export function withTrust(
  pair: CachedPair,
  settings: TrustSettings,
  survey: ReferenceSurvey | undefined,
): CachedPair {
  if (settings.refTrust !== 'weight') return pair;
  return {
    ...pair,
    weight: pairTrust(referenceMargin(pair.row), settings.refTrustScale) / survey!.meanTrust!,
  };
}

/**
 * Figures of a training step, none with refTrust=ignore:
 * - `ref_trust/mean`: mean trust of its pairs, before any division;
 * - `ref_trust/kept`: with drop the share of the training pairs that were left, the same in every step; with weight the share of the step's
 *   pairs that it is worth: Kish's effective number (Σ w)² / Σ w² over n;
 * - `ref_trust/distance`: mean |lp_policy − lp_ref| a token of a pair, in nats.
 */
export function trustMetrics(
  pairs: readonly CachedPair[],
  outcomes: readonly PairOutcome[],
  { refTrust, refTrustScale }: TrustSettings,
  survey: ReferenceSurvey | undefined,
): Metrics {
  if (refTrust === 'ignore') return {};
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const trusts = pairs.map(({ row }) => pairTrust(referenceMargin(row), refTrustScale));
  const effective = mean(trusts) ** 2 / mean(trusts.map((trust) => trust * trust));
  return {
    'ref_trust/mean': mean(trusts),
    'ref_trust/kept': refTrust === 'drop' ? survey!.keptShare : effective,
    'ref_trust/distance': mean(outcomes.map(({ input }) => distanceFromReference(input.logps))),
  };
}
