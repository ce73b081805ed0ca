/** A run whose figures or weights are no longer numbers ends before it writes anything of them. */
import { InputError } from '@selective-dpo/foundation';
import { nonFiniteParameter, type ParameterSet } from '@selective-dpo/model';
import type { Metrics } from './batch-metrics.js';

/** When something was found that is not finite. */
export interface FoundAt {
  /** Optimiser steps done: with none, what is wrong came with the policy. */
  step: number;
  policyDirectory: string;
}

const HINT = 'lower learningRate, weightDecay or beta, or check the policy’s weights';

/**
 * A NaN is not at least any threshold, so the tokens of a broken policy are not selected and its loss looks sound.
 * @throws InputError `policy-not-finite` before the first update, `training-diverged` later.
 */
export function refuseNonFiniteLogps(metrics: Metrics, at: FoundAt): void {
  const [chosen, rejected] = [metrics['logps/chosen'], metrics['logps/rejected']];
  if (Number.isFinite(chosen) && Number.isFinite(rejected)) return;
  throw notFinite('log-probs', { found: `chosen ${chosen}, rejected ${rejected}` }, at);
}

/** @throws InputError `training-diverged`. */
export function refuseNonFiniteLoss(loss: number, gradNorm: number, { step }: FoundAt): void {
  if (Number.isFinite(loss) && Number.isFinite(gradNorm)) return;
  throw new InputError('training-diverged', `the loss or its gradient is not finite at step ${step + 1}`, {
    found: `loss ${loss}, gradient norm ${gradNorm}`,
    hint: HINT,
  });
}

/** @throws InputError `policy-not-finite` before the first update, `training-diverged` later. */
export async function refuseNonFiniteWeights(parameters: ParameterSet, at: FoundAt): Promise<void> {
  const spec = await nonFiniteParameter(parameters);
  if (spec === undefined) return;
  throw notFinite(
    'weights',
    { found: `NaN or infinity in ${spec.parts.map(({ name }) => name).join(', ')}` },
    at,
  );
}

function notFinite(what: string, details: { found: string }, { step, policyDirectory }: FoundAt): InputError {
  return step === 0
    ? new InputError('policy-not-finite', `the policy’s ${what} are not finite`, {
        file: policyDirectory,
        ...details,
        hint: 'start from another policy',
      })
    : new InputError('training-diverged', `the policy’s ${what} are not finite after step ${step}`, {
        ...details,
        hint: HINT,
      });
}
