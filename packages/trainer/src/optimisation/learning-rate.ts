/** Learning-rate schedules, equal to transformers' `constant(_with_warmup)`, `linear` and `cosine`. */

export const LR_SCHEDULES = ['constant', 'linear', 'cosine'] as const;
export type LrSchedule = (typeof LR_SCHEDULES)[number];

/**
 * The learning rate of an optimiser step.
 * @param step 0-based; during warm-up the rate is step / warmupSteps of its peak, so the first step's is 0.
 * @param totalSteps the schedule ends at 0 there (linear, cosine), as in transformers' optimization.py.
 */
export function learningRateAt(
  step: number,
  schedule: { peak: number; type: LrSchedule; warmupSteps: number; totalSteps: number },
): number {
  const { peak, type, warmupSteps, totalSteps } = schedule;
  if (step < warmupSteps) return (peak * step) / Math.max(1, warmupSteps);
  if (type === 'constant') return peak;
  const decaySteps = Math.max(1, totalSteps - warmupSteps);
  if (type === 'linear') return peak * Math.max(0, (totalSteps - step) / decaySteps);
  return peak * Math.max(0, 0.5 * (1 + Math.cos((Math.PI * (step - warmupSteps)) / decaySteps)));
}
