import * as tf from '@tensorflow/tfjs';
import { SeededRandom } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import { openEngine, type EngineName } from '../../src/engine/index.js';
import type { Candidates } from '../../src/causal-lm/candidates.js';
import { packBatch, type SharedPromptSequence } from '../../src/causal-lm/index.js';
import { headLogps, headLogpsGradient } from '../../src/causal-lm/head-logps.js';
import { headMostLikely } from '../../src/causal-lm/most-likely.js';
import { WEBGPU_TIMEOUT_MS, webgpuSkipped } from '../engine/webgpu-available.js';
import { enginesToTest } from '../engines-to-test.js';
import { randomModel, randomSequences } from './random-model.js';

const VOCABULARY = 37;
const plain = randomSequences(
  [
    [5, 4, 6],
    [7, 3, 2],
    [6, 1, 4],
  ],
  VOCABULARY,
);

/** `n` random candidates a token of every first response; the first of them is the token itself. */
function withCandidates(n: number): SharedPromptSequence[] {
  const random = new SeededRandom(9);
  return plain.map((sequence) => {
    const [first] = sequence.responses;
    const list = Int32Array.from({ length: n * first!.length }, (_, i) =>
      i % n === 0 ? first![i / n]! : random.below(VOCABULARY),
    );
    return { ...sequence, candidates: [list] };
  });
}

const TARGETS = Int32Array.of(3, 1, 4, 1, 5, 9, 2, 6, 5);
/** Some targets have none, one has its own token, one has the same token twice. */
const CANDIDATES: Candidates = {
  places: Int32Array.of(0, 0, 2, 2, 2, 5, 5, 8),
  ids: Int32Array.of(7, 8, 4, 0, 10, 6, 6, 1),
};
/** Of targets, then of candidates: target 2 has a gradient by its candidates alone, target 8 none at all. */
const COEFFICIENTS = Float32Array.of(0.3, 1, 0, -2, 0, 0.5, 0, 0, 0, 1, -0.25, 0.5, -1, 2, 0.75, 0.5, 0);

const engines: EngineName[] = [
  ...enginesToTest('tensorflow', 'wasm', 'cpu'),
  ...(webgpuSkipped ? [] : (['webgpu'] as const)),
];

const head = () => ({
  hidden: tf.randomNormal([9, 8], 0, 1, 'float32', 5) as tf.Tensor2D,
  weight: tf.randomNormal([11, 8], 0, 1, 'float32', 6) as tf.Tensor2D,
});

/** Σ c · logp over targets and candidates by plain ops on the full log-softmax. */
function plainSum(hidden: tf.Tensor, weight: tf.Tensor): tf.Scalar {
  const all = tf.logSoftmax(tf.matMul(hidden, weight, false, true));
  const factors = new Float32Array(9 * 11);
  TARGETS.forEach((id, row) => (factors[row * 11 + id]! += COEFFICIENTS[row]!));
  CANDIDATES.places.forEach((row, k) => (factors[row * 11 + CANDIDATES.ids[k]!]! += COEFFICIENTS[9 + k]!));
  return tf.sum(tf.mul(all, tf.tensor2d(factors, [9, 11])));
}

function largestGap(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
}

describe.each(engines)('candidates on %s', { timeout: WEBGPU_TIMEOUT_MS }, (name) => {
  beforeAll(async () => void (await openEngine(name)));

  it.each([100, 4, 1])('have the log-probs of the full log-softmax, %i rows at a time', async (rows) => {
    const { hidden, weight } = head();
    const { logps, logSumExp } = headLogps(hidden, weight, TARGETS, rows, CANDIDATES);
    const full = tf.tidy(() => tf.logSoftmax(tf.matMul(hidden, weight, false, true)));
    const [found, all] = [await logps.data(), await full.data()];
    const expected = [
      ...Array.from(TARGETS, (id, row) => all[row * 11 + id]!),
      ...Array.from(CANDIDATES.places, (row, k) => all[row * 11 + CANDIDATES.ids[k]!]!),
    ];
    expect(largestGap(found, expected)).toBeLessThan(2e-6);
    tf.dispose([hidden, weight, logps, logSumExp, full]);
  });

  it.each([100, 4, 1])('have the gradients of the tape, %i rows at a time', async (rows) => {
    const before = tf.memory().numTensors;
    const { hidden, weight } = head();
    const found = tf.tidy(() => {
      const { logSumExp } = headLogps(hidden, weight, TARGETS, rows, CANDIDATES);
      const { kept, dHidden, dWeight } = headLogpsGradient(
        ...([hidden, weight, TARGETS, logSumExp, COEFFICIENTS, rows, CANDIDATES] as const),
      )!;
      expect(kept).toBe(5);
      return [tf.slice2d(dHidden, [0, 0], [kept, 8]), dWeight];
    });
    const tape = tf.tidy(() => {
      const [dHidden, dWeight] = tf.grads(plainSum)([hidden, weight]);
      return [tf.gather(dHidden!, tf.tensor1d([0, 1, 2, 3, 5], 'int32')), dWeight!];
    });
    for (const [i, gradient] of found.entries()) {
      const [own, expected] = [await gradient.data(), await tape[i]!.data()];
      expect(largestGap(own, expected)).toBeLessThan(5e-6);
      // The check can fail: without the candidates the gradient is another.
      expect(largestGap(own, new Float32Array(own.length))).toBeGreaterThan(0.1);
    }
    tf.dispose([hidden, weight, ...found, ...tape]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('that are the tokens themselves are the tokens: in log-prob, and in gradient through the model', async () => {
    const model = await randomModel();
    const before = tf.memory().numTensors;
    const pass = async (sequences: SharedPromptSequence[], place: (t: number, tokens: number) => number) => {
      let seen: Float32Array[][] = [];
      const { gradients } = await model.forwardBackward(sequences, (logps) => {
        seen = logps;
        return logps.map((lists, s) =>
          lists.map((list, r) => {
            const tokens = plain[s]!.responses[r]!.length;
            const own = new Float32Array(list.length);
            for (let t = 0; t < tokens; t++) own[r === 0 ? place(t, tokens) : t] = Math.sin(1 + s + t);
            return own;
          }),
        );
      });
      const values = await Promise.all([...gradients.values()].map(async (g) => (await g.data()).slice()));
      tf.dispose([...gradients.values()]);
      return { seen, values };
    };
    const tokens = await pass(plain, (t) => t);
    const same = await pass(withCandidates(3), (t, count) => count + 3 * t);
    const other = await pass(withCandidates(3), (t, count) => count + 3 * t + 1);
    same.seen.forEach(([list], s) => {
      const { length } = plain[s]!.responses[0]!;
      const own = list!.subarray(length).filter((_, i) => i % 3 === 0);
      expect(list!.length).toBe(4 * length);
      expect(largestGap(own, list!.subarray(0, length))).toBeLessThan(2e-6);
    });
    const gaps = (of: typeof same) => of.values.map((value, i) => largestGap(value, tokens.values[i]!));
    expect(Math.max(...gaps(same))).toBeLessThan(2e-5);
    expect(Math.max(...gaps(other))).toBeGreaterThan(0.01);
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  it('are the most likely tokens when those are asked for', async () => {
    const model = await randomModel();
    const before = tf.memory().numTensors;
    const every = Int32Array.from({ length: VOCABULARY }, (_, id) => id);
    const all = plain.map((sequence) => ({
      ...sequence,
      candidates: sequence.responses.map(({ length }) =>
        Int32Array.from({ length: length * VOCABULARY }, (_, i) => every[i % VOCABULARY]!),
      ),
    }));
    const [{ logps, top }, full] = [
      await model.mostLikely(plain, 4, { logitRows: 5 }),
      await model.logps(all),
    ];
    expect(tf.memory().numTensors).toBe(before);
    top.forEach((lists, s) =>
      lists.forEach((found, r) => {
        const tokens = plain[s]!.responses[r]!.length;
        const list = full[s]![r]!;
        expect(largestGap(logps[s]![r]!, list.subarray(0, tokens))).toBeLessThan(2e-6);
        for (let t = 0; t < tokens; t++) {
          const row = list.subarray(tokens + t * VOCABULARY, tokens + (t + 1) * VOCABULARY);
          const order = [...every].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, 4);
          expect([...found.ids.subarray(4 * t, 4 * t + 4)]).toEqual(order);
          const expected = order.map((id) => row[id]!);
          expect(largestGap(found.logps.subarray(4 * t, 4 * t + 4), expected)).toBeLessThan(2e-6);
        }
      }),
    );
    model.dispose();
  });

  it('of equal logits have the lower ids, and a whole vocabulary sums to 1', async () => {
    const [hidden, weight] = [tf.ones([2, 3]) as tf.Tensor2D, tf.ones([5, 3]) as tf.Tensor2D];
    const { logps, top } = await headMostLikely(hidden, weight, Int32Array.of(4, 0), 5);
    expect([...top.ids]).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    expect(top.logps.reduce((sum, logp) => sum + Math.exp(logp), 0)).toBeCloseTo(2, 5);
    expect(logps[0]).toBeCloseTo(-Math.log(5), 5);
    tf.dispose([hidden, weight]);
  });
});

describe('a list of candidates', () => {
  it('that has not as many for every token is refused', () => {
    const { prompt, responses } = plain[0]!;
    const layOut = (count: number) => packBatch([{ prompt, responses, candidates: [new Int32Array(count)] }]);
    expect(() => layOut(6)).toThrow(RangeError);
    expect(layOut(8).candidates!.places).toEqual(Int32Array.of(0, 0, 1, 1, 2, 2, 3, 3));
    expect(packBatch(plain).candidates).toBeUndefined();
  });
});
