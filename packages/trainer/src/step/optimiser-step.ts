/** One optimiser step: forward, selection, backward, clip, update; and its figures. */
import { clipFactor, disposeGradients, globalNorm, type Engine } from '@selective-dpo/model';
import type { TrainingConfig } from '../config/training-config.js';
import { learningRateAt } from '../optimisation/learning-rate.js';
import type { TrainingState } from '../run/checkpoint.js';
import type { TrainingOrder } from '../run/training-order.js';
import { batchMetrics, type Metrics } from './batch-metrics.js';
import { refuseNonFiniteLogps, refuseNonFiniteLoss } from './finiteness.js';
import type { ReferenceSurvey } from '../trust/reference-survey.js';
import { trustMetrics } from '../trust/trust-weights.js';
import { selectiveStep, type CachedPair, type MicroBatching, type Objective } from './selective-step.js';

/** What is the same in every step of a run. */
export interface StepContext {
  config: TrainingConfig;
  order: TrainingOrder;
  micro: MicroBatching;
  engine: Engine;
  policyDirectory: string;
  survey: ReferenceSurvey | undefined;
}

/**
 * Changes `state` to that after the step.
 * @param dataSeconds waited for the pairs.
 * @throws InputError `policy-not-finite`, `training-diverged`; then no weight has changed.
 */
export async function optimiserStep(
  state: TrainingState,
  pairs: readonly CachedPair[],
  objective: Objective,
  { config, order, micro, engine, policyDirectory, survey }: StepContext,
  dataSeconds: number,
): Promise<Metrics> {
  const started = performance.now();
  const result = await selectiveStep(state.model, pairs, objective, micro);
  const gradNorm = await globalNorm(result.gradients);
  const metrics = batchMetrics(result.outcomes, config.beta, state.history);
  try {
    const now = { step: state.step, policyDirectory };
    refuseNonFiniteLogps(metrics, now);
    refuseNonFiniteLoss(metrics['loss']!, gradNorm, now);
  } catch (error) {
    disposeGradients(result.gradients);
    throw error;
  }
  const lr = learningRateAt(state.step, {
    peak: config.learningRate,
    type: config.lrSchedule,
    warmupSteps: config.warmupSteps,
    totalSteps: order.totalSteps,
  });
  const beforeUpdate = performance.now();
  state.optimizer.step(result.gradients, lr, clipFactor(gradNorm, config.maxGradNorm));
  const ended = performance.now();
  state.step++;
  state.pairsSeen += pairs.length;
  const seconds = (ended - started) / 1000 + dataSeconds;
  return {
    ...metrics,
    ...trustMetrics(pairs, result.outcomes, config, survey),
    grad_norm: gradNorm,
    lr,
    epoch: state.step / order.stepsPerEpoch,
    'tokens/s': result.tokens / seconds,
    'pairs/s': pairs.length / seconds,
    'seconds/data': dataSeconds,
    'seconds/forward': result.seconds.forward,
    'seconds/head': result.seconds.head,
    'seconds/backward': result.seconds.backward,
    'seconds/optimizer': (ended - beforeUpdate) / 1000,
    'memory/peak_rss_mb': process.resourceUsage().maxRSS / 1024,
    'memory/tensors': engine.tf.memory().numTensors,
  };
}
