import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import {
  negativeLogSigmoid,
  preferenceLoss,
  sigmoidOf,
  type LossOptions,
  type PairMask,
} from '../src/loss/preference-loss.js';
import type { PairLogps } from '../src/selection/alignment-score.js';

const options = (change: Partial<LossOptions> = {}): LossOptions => ({
  type: 'sigmoid',
  beta: 0.1,
  labelSmoothing: 0,
  rpoAlpha: 0,
  lengthNormalization: false,
  ...change,
});

const pair: PairLogps = {
  policyChosen: Float32Array.of(-1, -2, -3),
  policyRejected: Float32Array.of(-0.5, -4),
  refChosen: Float32Array.of(-1.5, -1, -2),
  refRejected: Float32Array.of(-1, -1),
};
const mask: PairMask = { chosen: Uint8Array.of(1, 0, 1), rejected: Uint8Array.of(0, 1) };

describe('preferenceLoss', () => {
  it('gives the hand-worked value: m = (0.5 − 1) − (−3) = 2.5, L = −log σ(0.25)', () => {
    const { loss, margin } = preferenceLoss(pair, mask, options());
    expect(margin).toBeCloseTo(2.5, 12);
    expect(loss).toBeCloseTo(Math.log(1 + Math.exp(-0.25)), 12);
  });

  it('is ln 2 when policy and reference agree', () => {
    const same = { ...pair, refChosen: pair.policyChosen, refRejected: pair.policyRejected };
    expect(preferenceLoss(same, mask, options()).loss).toBe(0.6931471805599453);
  });

  it('has gradient −βσ(−βm) on kept chosen, +βσ(−βm) on kept rejected tokens and exactly 0 elsewhere', () => {
    const { chosenGradient, rejectedGradient } = preferenceLoss(pair, mask, options());
    const g = Math.fround(0.1 * sigmoidOf(-0.25));
    expect([...chosenGradient]).toEqual([-g, 0, -g]);
    expect([...rejectedGradient]).toEqual([0, g]);
  });

  it('weighs label smoothing as cDPO: at ε = 0.25 the loss is ¾ L(m) + ¼ L(−m)', () => {
    const { loss } = preferenceLoss(pair, mask, options({ labelSmoothing: 0.25 }));
    expect(loss).toBeCloseTo(0.75 * negativeLogSigmoid(0.25) + 0.25 * negativeLogSigmoid(-0.25), 12);
  });

  it('IPO squares the distance of the averaged margin from 1/(2β): (−0.25 + 3 − 5)² ', () => {
    const { loss, margin } = preferenceLoss(pair, mask, options({ type: 'ipo' }));
    expect(margin).toBeCloseTo(2.75, 12);
    expect(loss).toBeCloseTo((2.75 - 5) ** 2, 12);
  });

  it('adds the mean negative log-likelihood of all chosen tokens under rpoAlpha', () => {
    const { loss } = preferenceLoss(pair, mask, options({ rpoAlpha: 0.5 }));
    expect(loss).toBeCloseTo(negativeLogSigmoid(0.25) + 0.5 * 2, 12);
  });

  it('does not overflow', () => {
    expect(negativeLogSigmoid(-1e4)).toBe(1e4);
    expect(negativeLogSigmoid(1e4)).toBe(0);
    expect(sigmoidOf(-1e4)).toBe(0);
  });

  const variants: Partial<LossOptions>[] = [
    {},
    { labelSmoothing: 0.1 },
    { type: 'ipo' },
    { rpoAlpha: 1 },
    { lengthNormalization: true },
    { type: 'ipo', rpoAlpha: 0.3 },
  ];
  it.each(variants)('gradients agree with finite differences under %j', (change) => {
    const random = new SeededRandom(3);
    const draw = (n: number) => Float32Array.from({ length: n }, () => -3 * random.next());
    const logps = {
      policyChosen: draw(6),
      policyRejected: draw(4),
      refChosen: draw(6),
      refRejected: draw(4),
    };
    const masks = { chosen: Uint8Array.of(1, 0, 1, 1, 0, 0), rejected: Uint8Array.of(0, 1, 1, 0) };
    const result = preferenceLoss(logps, masks, options(change), 0.5);
    const check = (key: 'policyChosen' | 'policyRejected', gradient: Float32Array): void => {
      gradient.forEach((value, t) => {
        const at = (step: number) => {
          const moved = logps[key].slice();
          moved[t]! += step;
          return {
            loss: preferenceLoss({ ...logps, [key]: moved }, masks, options(change)).loss,
            x: moved[t]!,
          };
        };
        const [up, down] = [at(2 ** -10), at(-(2 ** -10))];
        expect(Math.abs(value - (0.5 * (up.loss - down.loss)) / (up.x - down.x))).toBeLessThan(1e-4);
      });
    };
    check('policyChosen', result.chosenGradient);
    check('policyRejected', result.rejectedGradient);
  });
});
