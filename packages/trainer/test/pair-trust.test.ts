import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { distanceFromReference, pairTrust, referenceMargin } from '../src/trust/pair-trust.js';
import { referenceWarning, type ReferenceSurvey } from '../src/trust/reference-survey.js';
import { pairRows } from './small-cache.js';

const pair = {
  chosenRefLogps: Float32Array.of(-1, -2, -0.5, -0.5),
  rejectedRefLogps: Float32Array.of(-1, -2),
};

describe('the reference’s margin', () => {
  it('is a difference of sums, and of means a token: −4 − (−3), −1 − (−1.5)', () => {
    expect(referenceMargin(pair)).toEqual({ margin: -1, perToken: 0.5 });
  });

  it('changes its sign with the answers', () => {
    for (const row of pairRows(50)) {
      const swapped = { chosenRefLogps: row.rejectedRefLogps, rejectedRefLogps: row.chosenRefLogps };
      expect(referenceMargin(swapped).margin).toBe(-referenceMargin(row).margin);
      const both = pairTrust(referenceMargin(row), 0.3) + pairTrust(referenceMargin(swapped), 0.3);
      expect(both).toBeCloseTo(1, 12);
    }
  });
});

describe('the trust in a pair', () => {
  it('is σ(m / τ): σ(0.5 / 0.25) = 0.8808', () => {
    expect(pairTrust(referenceMargin(pair), 0.25)).toBeCloseTo(1 / (1 + Math.exp(-2)), 12);
  });

  it('rises with the margin, stays between 0 and 1, and is ½ at 0 and under an endless scale', () => {
    const random = new SeededRandom(3);
    const margins = Array.from({ length: 100 }, () => 20 * (random.next() - 0.5)).sort((a, b) => a - b);
    const trusts = margins.map((perToken) => pairTrust({ margin: 0, perToken }, 0.7));
    for (const [i, trust] of trusts.entries()) {
      expect(trust).toBeGreaterThan(0);
      expect(trust).toBeLessThan(1);
      if (i > 0) expect(trust).toBeGreaterThan(trusts[i - 1]!);
    }
    expect(pairTrust({ margin: 9, perToken: 0 }, 0.7)).toBe(0.5);
    expect(pairTrust({ margin: 9, perToken: 3 }, 1e12)).toBeCloseTo(0.5, 10);
  });

  it('does not hang on the answers’ lengths, as the sums do (negative control)', () => {
    const twice = (list: Float32Array) => Float32Array.of(...list, ...list);
    const longer = { ...pair, chosenRefLogps: twice(pair.chosenRefLogps) };
    expect(pairTrust(referenceMargin(longer), 0.25)).toBe(pairTrust(referenceMargin(pair), 0.25));
    expect(referenceMargin(longer).margin).not.toBe(referenceMargin(pair).margin);
  });
});

describe('the distance from the reference', () => {
  it('is the mean difference of a token’s log-probs, whatever its sign', () => {
    const ref = { refChosen: pair.chosenRefLogps, refRejected: pair.rejectedRefLogps };
    const same = { ...ref, policyChosen: pair.chosenRefLogps, policyRejected: pair.rejectedRefLogps };
    expect(distanceFromReference(same)).toBe(0);
    const policyChosen = Float32Array.of(-1, -1, -0.5, -0.5);
    expect(distanceFromReference({ ...same, policyChosen, policyRejected: Float32Array.of(-3, -2) })).toBe(
      0.5,
    );
  });
});

describe('the warning', () => {
  const survey = (ordered: number, pairs: number): ReferenceSurvey => ({
    ...{ pairs, ordered, trainRows: new Uint32Array(pairs), keptShare: 1, meanTrust: 0.5 },
  });

  it('comes where the reference orders fewer than 55% of the pairs, and not by chance in a few', () => {
    expect(referenceWarning(survey(500, 1000))).toMatchObject({
      code: 'reference-disagrees',
      figures: { ordered: 0.5 },
    });
    expect(referenceWarning(survey(0, 10))).toBeDefined();
    expect(referenceWarning(survey(10, 20))).toBeUndefined();
    expect(referenceWarning(survey(560, 1000))).toBeUndefined();
    expect(referenceWarning(survey(535, 1000))).toBeUndefined();
    expect(referenceWarning(survey(53_500, 100_000))).toBeDefined();
  });
});
