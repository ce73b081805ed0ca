import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { SelectionHistory } from '../src/selection/selection-history.js';
import { batchMetrics, type PairOutcome } from '../src/step/batch-metrics.js';

interface OutcomeFigures {
  row?: number;
  loss?: number;
  policyChosen: number[];
  refChosen: number[];
  policyRejected: number[];
  refRejected: number[];
  keptChosen: number[];
  keptRejected: number[];
  thresholds?: [number, number];
}

function outcome(figures: OutcomeFigures): PairOutcome {
  const { row = 0, loss = 0, thresholds = [NaN, NaN] } = figures;
  return {
    row,
    input: {
      logps: {
        policyChosen: Float32Array.from(figures.policyChosen),
        policyRejected: Float32Array.from(figures.policyRejected),
        refChosen: Float32Array.from(figures.refChosen),
        refRejected: Float32Array.from(figures.refRejected),
      },
      chosenIds: new Int32Array(figures.policyChosen.length),
      rejectedIds: new Int32Array(figures.policyRejected.length),
      seed: row,
    },
    selection: {
      chosen: Uint8Array.from(figures.keptChosen),
      rejected: Uint8Array.from(figures.keptRejected),
      chosenThreshold: thresholds[0],
      rejectedThreshold: thresholds[1],
    },
    loss: {
      loss,
      chosenGradient: new Float32Array(figures.policyChosen.length),
      rejectedGradient: new Float32Array(figures.policyRejected.length),
    },
  };
}

/** Log-ratios 0.5, −1, −1 and 0.5, −3. */
const right = outcome({
  row: 3,
  loss: 0.25,
  policyChosen: [-1, -2, -3],
  refChosen: [-1.5, -1, -2],
  policyRejected: [-0.5, -4],
  refRejected: [-1, -1],
  keptChosen: [1, 0, 1],
  keptRejected: [0, 1],
  thresholds: [0.5, -1],
});

/** Log-ratios −1 and 1, 0.5. */
const wrong = outcome({
  row: 4,
  loss: 0.75,
  policyChosen: [-2],
  refChosen: [-1],
  policyRejected: [-1, -1],
  refRejected: [-2, -1.5],
  keptChosen: [1],
  keptRejected: [1, 0],
  thresholds: [2, NaN],
});

describe('batchMetrics', () => {
  it('gives the hand-worked figures of one pair at β = 0.5', () => {
    expect(batchMetrics([right], 0.5)).toMatchObject({
      loss: 0.25,
      'rewards/chosen': 0.5 * -1.5,
      'rewards/rejected': 0.5 * -2.5,
      'rewards/margins': 0.5,
      'rewards/accuracies': 1,
      'rewards_kept/chosen': 0.5 * -0.5,
      'rewards_kept/rejected': 0.5 * -3,
      'rewards_kept/margins': 1.25,
      'rewards_kept/accuracies': 1,
      'logps/chosen': -6,
      'logps/rejected': -4.5,
      'selection/kept_fraction': 3 / 5,
      'selection/tokens': 3,
    });
  });

  it('gives the hand-worked means of two pairs, and shares of their tokens', () => {
    expect(batchMetrics([right, wrong], 0.5)).toMatchObject({
      loss: 0.5,
      'rewards/chosen': (-0.75 - 0.5) / 2,
      'rewards/rejected': (-1.25 + 0.75) / 2,
      'rewards/margins': (0.5 - 1.25) / 2,
      'rewards/accuracies': 0.5,
      'rewards_kept/chosen': (-0.25 - 0.5) / 2,
      'rewards_kept/rejected': (-1.5 + 0.5) / 2,
      'rewards_kept/margins': (1.25 - 1) / 2,
      'rewards_kept/accuracies': 0.5,
      'logps/chosen': -4,
      'logps/rejected': -3.25,
      'selection/kept_fraction': 5 / 8,
      'selection/tokens': 5,
      // Of −1, 0.5 and 2: the element at floor(share · 2).
      'selection/threshold_p10': -1,
      'selection/threshold_p50': 0.5,
      'selection/threshold_p90': 0.5,
    });
  });

  it('scales rewards with β and leaves everything else alone', () => {
    const [low, high] = [batchMetrics([right, wrong], 0.25), batchMetrics([right, wrong], 0.5)];
    for (const [name, value] of Object.entries(high)) {
      const scales = name.startsWith('rewards') && !name.endsWith('accuracies');
      expect(low[name], name).toBe(scales ? value / 2 : value);
    }
  });

  it('does not call a tie accurate', () => {
    const tie = outcome({
      ...{ policyChosen: [-1], refChosen: [-1], policyRejected: [-2], refRejected: [-2] },
      ...{ keptChosen: [1], keptRejected: [1] },
    });
    expect(batchMetrics([tie], 0.1)).toMatchObject({
      'rewards/margins': 0,
      'rewards/accuracies': 0,
      'rewards_kept/accuracies': 0,
    });
  });

  it('names no threshold where a rule has none', () => {
    const without = {
      ...right,
      selection: { ...right.selection, chosenThreshold: NaN, rejectedThreshold: NaN },
    };
    const names = (of: PairOutcome) =>
      Object.keys(batchMetrics([of], 0.1)).filter((name) => name.includes('threshold'));
    expect(names(without)).toEqual([]);
    expect(names(right)).toHaveLength(3);
  });
});

describe('overlaps', () => {
  const zeros = new Array<number>(2000).fill(0);
  const logps = new Array<number>(2000).fill(-1);
  const long = (keptChosen: number[], keptRejected: number[]) =>
    outcome({
      ...{ policyChosen: logps, refChosen: logps, policyRejected: logps, refRejected: logps },
      ...{ keptChosen, keptRejected },
    });

  it('with chance are about the share that is kept, and all of it when all is kept', () => {
    const random = new SeededRandom(9);
    for (const share of [0.1, 0.4, 0.8]) {
      const draw = () => zeros.map(() => (random.next() < share ? 1 : 0));
      const overlap = batchMetrics([long(draw(), draw())], 0.1)['selection/overlap_random']!;
      expect(Math.abs(overlap - share)).toBeLessThan(0.04);
    }
    const all = zeros.map(() => 1);
    expect(batchMetrics([long(all, all)], 0.1)['selection/overlap_random']).toBe(1);
  });

  it('with chance are 0, not NaN, when nothing is kept', () => {
    expect(batchMetrics([long(zeros, zeros)], 0.1)).toMatchObject({
      'selection/overlap_random': 0,
      'selection/kept_fraction': 0,
    });
  });

  it('with the last visit are there from the second visit on, weighted by kept tokens', () => {
    const history = new SelectionHistory();
    const name = 'selection/overlap_previous';
    const kept = (of: PairOutcome, chosen: number[], rejected: number[]): PairOutcome => ({
      ...of,
      selection: { ...of.selection, chosen: Uint8Array.from(chosen), rejected: Uint8Array.from(rejected) },
    });
    expect(batchMetrics([right], 0.1, history)).not.toHaveProperty(name);
    expect(batchMetrics([right], 0.1, history)[name]).toBe(1);
    // Of the three kept now in `right` one was kept before; `wrong` is new and counts for nothing.
    expect(batchMetrics([kept(right, [0, 1, 1], [1, 0]), wrong], 0.1, history)[name]).toBe(1 / 3);
    // Two of two in `right`, one of two in `wrong`.
    const both = [kept(right, [0, 1, 0], [1, 0]), kept(wrong, [1], [0, 1])];
    expect(batchMetrics(both, 0.1, history)[name]).toBe((2 + 1) / (2 + 2));
  });

  it('with the last visit are not asked for in an evaluation', () => {
    expect(batchMetrics([right], 0.1)).not.toHaveProperty('selection/overlap_previous');
  });
});
