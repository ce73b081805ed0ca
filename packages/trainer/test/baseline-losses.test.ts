/** Losses of the baselines: SFT and distillation, by hand and by finite differences. */
import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { distillationLoss, type TopLogps } from '../src/loss/distillation-loss.js';
import { pairLoss, type PairLossOptions } from '../src/loss/pair-loss.js';
import { preferenceLoss, type PairMask } from '../src/loss/preference-loss.js';
import { sftLoss } from '../src/loss/sft-loss.js';

const logps = {
  policyChosen: Float32Array.of(-1, -2, -3),
  policyRejected: Float32Array.of(-0.5, -4),
  refChosen: Float32Array.of(-1.5, -1, -2),
  refRejected: Float32Array.of(-1, -1),
};
const all: PairMask = { chosen: Uint8Array.of(1, 1, 1), rejected: Uint8Array.of(1, 1) };
const some: PairMask = { chosen: Uint8Array.of(1, 0, 1), rejected: Uint8Array.of(0, 1) };
const ln = (...probabilities: number[]) => Float32Array.from(probabilities, Math.log);

describe('SFT', () => {
  it('is the mean negative log-likelihood of the kept chosen tokens: (1 + 2 + 3) / 3, (1 + 3) / 2', () => {
    expect(sftLoss(logps, all).loss).toBeCloseTo(2, 12);
    expect(sftLoss(logps, some).loss).toBeCloseTo(2, 12);
    expect(sftLoss({ ...logps, policyChosen: Float32Array.of(-1, -9, -3) }, some).loss).toBeCloseTo(2, 12);
    expect(sftLoss({ ...logps, policyChosen: Float32Array.of(-1, -9, -3) }, all).loss).toBeCloseTo(13 / 3, 6);
  });

  it('has a gradient on kept chosen tokens alone', () => {
    const { chosenGradient, rejectedGradient } = sftLoss(logps, some, 0.5);
    expect([...chosenGradient]).toEqual([-0.25, 0, -0.25]);
    expect([...rejectedGradient]).toEqual([0, 0]);
  });
});

describe('distillation', () => {
  /** Two places, two likeliest tokens each. */
  const top: TopLogps = { ref: ln(0.5, 0.25, 0.8, 0.2), policy: ln(0.25, 0.125, 0.5, 0.25) };
  const both: PairMask = { chosen: Uint8Array.of(1, 1), rejected: Uint8Array.of(1) };
  const first: PairMask = { chosen: Uint8Array.of(1, 0), rejected: Uint8Array.of(1) };

  it('with a bucket is the cross-entropy over n + 1 classes: −½ ln ¼ − ¼ ln ⅛ − ¼ ln ⅝', () => {
    const expected = -0.5 * Math.log(0.25) - 0.25 * Math.log(0.125) - 0.25 * Math.log(0.625);
    expect(distillationLoss(top, first, 'bucket').loss).toBeCloseTo(expected, 6);
  });

  it('renormalised is that of the n tokens alone: −⅔ ln ¼ − ⅓ ln ⅛', () => {
    const expected = -(2 / 3) * Math.log(0.25) - (1 / 3) * Math.log(0.125);
    expect(distillationLoss(top, first, 'renormalize').loss).toBeCloseTo(expected, 6);
    const second = -0.8 * Math.log(0.5) - 0.2 * Math.log(0.25);
    expect(distillationLoss(top, both, 'renormalize').loss).toBeCloseTo((expected + second) / 2, 6);
  });

  it('renormalised with n = 1 is that of hard labels: −ln q of the reference’s likeliest token', () => {
    const hard = { ref: ln(0.4, 0.9), policy: ln(0.25, 0.5) };
    expect(distillationLoss(hard, both, 'renormalize').loss).toBeCloseTo(-Math.log(0.25 * 0.5) / 2, 6);
    expect([...distillationLoss(hard, both, 'renormalize').candidateGradient!]).toEqual([-0.5, -0.5]);
  });

  it('with a bucket has no gradient by the logits where the policy is the reference; renormalised it has', () => {
    const same = { ref: ln(0.5, 0.25), policy: ln(0.5, 0.25) };
    const one: PairMask = { chosen: Uint8Array.of(1), rejected: Uint8Array.of(1) };
    /** By the logit of each class: c_k − C·q_k, where C = Σ c; the last one is the rest. */
    const byLogits = (gradient: Float32Array) => {
      const sum = gradient.reduce((a, b) => a + b, 0);
      return [0.5, 0.25, 0.25].map((q, k) => (gradient[k] ?? 0) - sum * q);
    };
    const [bucket, renormalised] = (['bucket', 'renormalize'] as const).map((rest) =>
      byLogits(distillationLoss(same, one, rest).candidateGradient!),
    );
    bucket!.forEach((slope) => expect(slope).toBeCloseTo(0, 6));
    expect(renormalised![2]).toBeCloseTo(0.25, 6);
  });

  it.each(['bucket', 'renormalize'] as const)('%s: gradients agree with finite differences', (rest) => {
    const random = new SeededRandom(4);
    const mask: PairMask = { chosen: Uint8Array.of(1, 0, 1, 1), rejected: Uint8Array.of(1) };
    const draw = () => Float32Array.from({ length: 12 }, () => Math.log(0.05 + 0.25 * random.next()));
    const [ref, policy] = [draw(), draw()];
    const { candidateGradient, chosenGradient } = distillationLoss({ ref, policy }, mask, rest, 0.5);
    candidateGradient!.forEach((slope, k) => {
      const at = (step: number) => {
        const moved = policy.slice();
        moved[k]! += step;
        return { x: moved[k]!, loss: distillationLoss({ ref, policy: moved }, mask, rest).loss };
      };
      const [up, down] = [at(2 ** -10), at(-(2 ** -10))];
      expect(Math.abs(slope - (0.5 * (up.loss - down.loss)) / (up.x - down.x))).toBeLessThan(1e-4);
    });
    expect([...candidateGradient!.subarray(3, 6)]).toEqual([0, 0, 0]);
    expect(Math.min(...candidateGradient!.map(Math.abs).filter((_, k) => k < 3 || k > 5))).toBeGreaterThan(0);
    expect([...chosenGradient]).toEqual([0, 0, 0, 0]);
  });

  it('stays finite where the policy leaves nothing for the rest', () => {
    const sure = { ref: ln(0.5), policy: Float32Array.of(1e-6) };
    const { loss, candidateGradient } = distillationLoss(
      sure,
      { chosen: Uint8Array.of(1), rejected: some.rejected },
      'bucket',
    );
    expect(Number.isFinite(loss)).toBe(true);
    expect(candidateGradient![0]).toBeGreaterThan(0);
    expect(Number.isFinite(candidateGradient![0])).toBe(true);
  });
});

describe('a loss by its name', () => {
  const options: PairLossOptions = {
    ...{ type: 'sigmoid', beta: 0.1, labelSmoothing: 0, rpoAlpha: 0, lengthNormalization: false },
    distillation: { topN: 0, rest: 'renormalize' },
  };
  it('is the function of that name', () => {
    const top = { ref: ln(0.5, 0.5, 0.5), policy: ln(0.5, 0.25, 0.125) };
    const of = (type: PairLossOptions['type']) => pairLoss(logps, some, { ...options, type }, 2, top);
    expect(of('sigmoid')).toEqual(preferenceLoss(logps, some, { ...options, type: 'sigmoid' }, 2));
    expect(of('ipo')).toEqual(preferenceLoss(logps, some, { ...options, type: 'ipo' }, 2));
    expect(of('sft')).toEqual(sftLoss(logps, some, 2));
    expect(of('distillation')).toEqual(distillationLoss(top, some, 'renormalize', 2));
    expect(
      new Set((['sigmoid', 'ipo', 'sft', 'distillation'] as const).map((type) => of(type).loss)).size,
    ).toBe(4);
  });
});
