import { describe, expect, it } from 'vitest';
import { LR_SCHEDULES, learningRateAt, type LrSchedule } from '../src/optimisation/learning-rate.js';

/**
 * transformers' lambdas (optimization.py: `_get_constant_schedule_with_warmup_lr_lambda`,
 * `_get_linear_schedule_with_warmup_lr_lambda`, `_get_cosine_schedule_with_warmup_lr_lambda` with num_cycles 0.5),
 * transcribed by their names.
 */
const lambdas: Record<LrSchedule, (step: number, warmup: number, total: number) => number> = {
  constant: (step, warmup) => (step < warmup ? step / Math.max(1, warmup) : 1),
  linear: (step, warmup, total) =>
    step < warmup ? step / Math.max(1, warmup) : Math.max(0, (total - step) / Math.max(1, total - warmup)),
  cosine: (step, warmup, total) => {
    if (step < warmup) return step / Math.max(1, warmup);
    const progress = (step - warmup) / Math.max(1, total - warmup);
    return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * 0.5 * 2 * progress)));
  },
};

const rates = (type: LrSchedule, steps: number[], warmupSteps: number, totalSteps: number, peak = 1) =>
  steps.map((step) => learningRateAt(step, { peak, type, warmupSteps, totalSteps }));

describe('learningRateAt', () => {
  it('gives the hand-worked linear schedule: up over 4 steps, down to 0 over 8', () => {
    const steps = [0, 1, 2, 3, 4, 6, 8, 11, 12];
    expect(rates('linear', steps, 4, 12, 2)).toEqual([0, 0.5, 1, 1.5, 2, 1.5, 1, 0.25, 0]);
  });

  it('gives the hand-worked cosine schedule: halves of 1 + cos', () => {
    const [first, ...rest] = rates('cosine', [4, 6, 8, 10, 12], 4, 12, 2);
    expect(first).toBe(2);
    const half = Math.SQRT1_2;
    [1 + half, 1, 1 - half, 0].forEach((rate, i) => expect(rest[i]).toBeCloseTo(rate, 12));
  });

  it('stays at its peak after the warm-up under constant', () => {
    expect(rates('constant', [0, 1, 2, 3, 99], 2, 12, 3)).toEqual([0, 1.5, 3, 3, 3]);
  });

  it('starts at its peak without warm-up, and at 0 with one', () => {
    for (const type of LR_SCHEDULES) {
      expect(rates(type, [0], 0, 10, 5e-7)).toEqual([5e-7]);
      expect(rates(type, [0], 1, 10, 5e-7)).toEqual([0]);
    }
  });

  it.each(LR_SCHEDULES)("is transformers' %s at every step, also where a run is all warm-up", (type) => {
    for (const [warmup, total] of [
      [0, 1],
      [0, 7],
      [3, 7],
      [7, 7],
      [9, 7],
      [1, 1],
    ] as const) {
      for (let step = 0; step <= total; step++) {
        const rate = learningRateAt(step, { peak: 3e-4, type, warmupSteps: warmup, totalSteps: total });
        expect(rate, `step ${step} of ${total}, warm-up ${warmup}`).toBeCloseTo(
          3e-4 * lambdas[type](step, warmup, total),
          15,
        );
      }
    }
  });

  it('differs between the schedules half-way down', () => {
    const quarter = LR_SCHEDULES.map((type) =>
      learningRateAt(2, { peak: 1, type, warmupSteps: 0, totalSteps: 8 }),
    );
    expect(new Set(quarter).size).toBe(3);
  });
});
