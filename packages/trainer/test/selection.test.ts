import { SeededRandom } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { alignmentScores, type PairLogps } from '../src/selection/alignment-score.js';
import { quantileCount, selectionThreshold, topKCount } from '../src/selection/quantile.js';
import { selectTokens, type SelectionOptions } from '../src/selection/select-tokens.js';
import { averageOverSentences, averageOverWindow } from '../src/selection/span-average.js';
import { preferenceLoss } from '../src/loss/preference-loss.js';
import { shared, sharedJson } from './shared-data.js';

const options = (change: Partial<SelectionOptions> = {}): SelectionOptions => ({
  rule: 'quantile',
  keep: 0.4,
  spanUnit: 'window',
  spanWindow: 5,
  ...change,
});

function randomPair(random: SeededRandom, chosen: number, rejected: number): PairLogps {
  const draw = (n: number) => Float32Array.from({ length: n }, () => -4 * random.next());
  return {
    policyChosen: draw(chosen),
    policyRejected: draw(rejected),
    refChosen: draw(chosen),
    refRejected: draw(rejected),
  };
}

const input = (logps: PairLogps, seed = 0) => ({
  logps,
  chosenIds: new Int32Array(logps.policyChosen.length),
  rejectedIds: new Int32Array(logps.policyRejected.length),
  seed,
});

const count = (mask: Uint8Array) => mask.reduce((sum, kept) => sum + kept, 0);
const indices = (mask: Uint8Array) => [...mask.keys()].filter((i) => mask[i] === 1);

describe('alignment scores', () => {
  it('are ref − policy on chosen and policy − ref on rejected tokens', () => {
    const policy = Float32Array.of(-1, -2, 0);
    const ref = Float32Array.of(-0.5, -2.5, 0);
    expect([...alignmentScores('chosen', policy, ref)]).toEqual([0.5, -0.5, -0]);
    expect([...alignmentScores('rejected', policy, ref)]).toEqual([-0.5, 0.5, 0]);
  });
});

describe('quantile rule', () => {
  it.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [5, 2],
    [6, 3],
    [10, 4],
    [11, 5],
    [16, 7],
    [46, 19],
    [100, 40],
    [101, 41],
  ])('keeps, of %i tokens without ties at 40%%, %i', (n, kept) => {
    const scores = Float64Array.from({ length: n }, (_, i) => ((i * 7919) % 104729) / 1000);
    const threshold = selectionThreshold(scores, 0.4);
    expect(scores.filter((s) => s >= threshold)).toHaveLength(kept);
    expect(quantileCount(n, 0.4)).toBe(kept);
  });

  it('does not lose a token to the rounding of 1 − keep: 11 tokens at 70% keep 8', () => {
    const scores = Float64Array.from({ length: 11 }, (_, i) => i);
    expect(scores.filter((s) => s >= selectionThreshold(scores, 0.7))).toHaveLength(8);
  });

  it('keeps every token when all scores are equal, and treats a log-prob of 0 as a token', () => {
    const logps = new Float32Array(7);
    const pair = { policyChosen: logps, policyRejected: logps, refChosen: logps, refRejected: logps };
    const [selection] = selectTokens([input(pair)], options());
    expect(count(selection!.chosen)).toBe(7);
    expect(count(selection!.rejected)).toBe(7);
  });

  it("gives the authors' hand-worked sums", () => {
    const policy = Float32Array.of(-1, -2, -3);
    const ref = Float32Array.of(-0.5, -2.5, -3);
    const pair = { policyChosen: policy, policyRejected: policy, refChosen: ref, refRejected: ref };
    const [selection] = selectTokens([input(pair)], options());
    const kept = (list: Float32Array, mask: Uint8Array) => list.reduce((s, v, i) => s + v * mask[i]!, 0);
    expect(kept(policy, selection!.chosen)).toBe(-1);
    expect(kept(policy, selection!.rejected)).toBe(-2);
    expect(kept(ref, selection!.chosen)).toBe(-0.5);
    expect(kept(ref, selection!.rejected)).toBe(-2.5);
  });
});

describe('other rules', () => {
  const random = new SeededRandom(1);
  const pairs = [input(randomPair(random, 10, 21), 5), input(randomPair(random, 33, 4), 6)];

  it('top-k keeps exactly round-half-up(k·n), at least one, earlier token first on a tie', () => {
    expect([1, 2, 3, 5, 10, 11, 100].map((n) => topKCount(n, 0.4))).toEqual([1, 1, 1, 2, 4, 4, 40]);
    expect(topKCount(5, 0.5)).toBe(3);
    const logps = new Float32Array(5);
    const tie = { policyChosen: logps, policyRejected: logps, refChosen: logps, refRejected: logps };
    const [selection] = selectTokens([input(tie)], options({ rule: 'top-k' }));
    expect(indices(selection!.chosen)).toEqual([0, 1]);
  });

  it('batch cuts all chosen tokens at one threshold', () => {
    const selections = selectTokens(pairs, options({ rule: 'batch' }));
    expect(new Set(selections.map((s) => s.chosenThreshold)).size).toBe(1);
    const total = selections.reduce((sum, s) => sum + count(s.chosen), 0);
    expect(total).toBe(quantileCount(43, 0.4));
  });

  it("random keeps the quantile rule's count, the same for the same seed, others for another", () => {
    const run = (seed: number) =>
      selectTokens([input(pairs[1]!.logps, seed)], options({ rule: 'random' }))[0]!;
    expect(count(run(1).chosen)).toBe(quantileCount(33, 0.4));
    expect(run(1)).toEqual(run(1));
    expect(run(1).chosen).not.toEqual(run(2).chosen);
  });

  it('random draws every token equally often', () => {
    const hits = new Float64Array(10);
    for (let seed = 0; seed < 4000; seed++) {
      const [s] = selectTokens([input(pairs[0]!.logps, seed)], options({ rule: 'random' }));
      indices(s!.chosen).forEach((i) => hits[i]!++);
    }
    for (const hit of hits) expect(Math.abs(hit / 4000 - 0.4)).toBeLessThan(0.03);
  });

  it('confidence keeps the tokens the policy finds least likely, whatever the reference says', () => {
    const { logps } = pairs[0]!;
    const other = { ...logps, refChosen: logps.refChosen.map((v) => v * 3) };
    const [a, b] = [logps, other].map((l) => selectTokens([input(l)], options({ rule: 'confidence' }))[0]!);
    expect(a!.chosen).toEqual(b!.chosen);
    const kept = indices(a!.chosen).map((i) => logps.policyChosen[i]!);
    const left = [...logps.policyChosen].filter((_, i) => a!.chosen[i] === 0);
    expect(Math.max(...kept)).toBeLessThan(Math.min(...left));
  });

  it('all keeps everything, as does keep = 1 under every rule', () => {
    for (const rule of ['quantile', 'top-k', 'batch', 'random', 'confidence', 'all', 'span'] as const) {
      const selections = selectTokens(pairs, options({ rule, keep: 1 }));
      expect(selections.map((s) => [count(s.chosen), count(s.rejected)])).toEqual([
        [10, 21],
        [33, 4],
      ]);
    }
  });

  it('span keeps whole windows and sentences', () => {
    expect([...averageOverWindow(Float64Array.of(0, 3, 6, 0), 3)]).toEqual([1.5, 3, 3, 3]);
    const ids = Int32Array.of(1, 9, 1, 1, 9, 2);
    const averaged = averageOverSentences(Float64Array.of(1, 3, 6, 0, 0, 5), ids, (id) => id === 9);
    expect([...averaged]).toEqual([2, 2, 2, 2, 2, 5]);
  });
});

interface SelectionCase {
  keep: number;
  beta: number;
  policyChosenLogps: number[];
  policyRejectedLogps: number[];
  refChosenLogps: number[];
  refRejectedLogps: number[];
  keptChosen: number[];
  keptRejected: number[];
  margin: number;
  loss: number;
}

describe.skipIf(shared === undefined)('oracle selection.json', () => {
  const cases =
    shared === undefined ? [] : sharedJson<{ cases: SelectionCase[] }>('oracles/selection.json').cases;

  it('has all of its 24 cases', () => {
    expect(cases).toHaveLength(24);
  });

  it.each(cases.map((c, i) => [i, c] as const))('case %i: kept indices exact, loss to 1e-6', (_, c) => {
    const logps = {
      policyChosen: Float32Array.from(c.policyChosenLogps),
      policyRejected: Float32Array.from(c.policyRejectedLogps),
      refChosen: Float32Array.from(c.refChosenLogps),
      refRejected: Float32Array.from(c.refRejectedLogps),
    };
    const [selection] = selectTokens([input(logps)], options({ keep: c.keep }));
    expect(indices(selection!.chosen)).toEqual(c.keptChosen);
    expect(indices(selection!.rejected)).toEqual(c.keptRejected);
    const { loss, margin } = preferenceLoss(logps, selection!, {
      type: 'sigmoid',
      beta: c.beta,
      labelSmoothing: 0,
      rpoAlpha: 0,
      lengthNormalization: false,
    });
    expect(Math.abs(margin - c.margin)).toBeLessThan(1e-5);
    expect(Math.abs(loss - c.loss)).toBeLessThan(1e-6);
  });
});
