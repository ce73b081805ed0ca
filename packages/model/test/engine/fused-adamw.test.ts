import { describe, expect, it } from 'vitest';
import { openEngine, type AdamWHyperparameters, type EngineName } from '../../src/engine/index.js';
import { START, adamW, gradientAt } from './adamw-formula.js';
import { tensorflowSkipped, titled } from './tensorflow-available.js';

const OPTIONS: AdamWHyperparameters = {
  learningRate: 0.01,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-4,
  weightDecay: 0.1,
};

function largestGap(values: ArrayLike<number>, expected: number[]): number {
  return Math.max(...expected.map((value, i) => Math.abs(value - values[i]!)));
}

describe.skipIf(tensorflowSkipped !== undefined)(titled('AdamW through kernels of tensorflow'), () =>
  testFusedAdamW('tensorflow'),
);
describe('AdamW through kernels of wasm', () => testFusedAdamW('wasm'));

function testFusedAdamW(engine: EngineName): void {
  async function train(steps: number, options = OPTIONS) {
    const { tf, fusedAdamW, readFloats } = await openEngine(engine);
    const before = tf.memory().numTensors;
    const initial = tf.tensor(START, [4, 6]);
    const slot = fusedAdamW!.slot(initial);
    initial.dispose();
    for (let t = 1; t <= steps; t++) {
      const gradient = tf.tensor(
        START.map((_, i) => gradientAt(t, i)),
        [4, 6],
      );
      slot.update(t, gradient, options);
      gradient.dispose();
    }
    const value = slot.value();
    const { expAvg, expAvgSq } = slot.moments();
    const result = {
      theta: await readFloats(value),
      m: await readFloats(expAvg),
      v: await readFloats(expAvgSq),
      shape: value.shape,
    };
    tf.dispose([value, expAvg, expAvgSq]);
    slot.dispose();
    return { ...result, leaked: tf.memory().numTensors - before };
  }

  it('refuses a gradient, and moments, of another size', async () => {
    const { tf, fusedAdamW } = await openEngine(engine);
    const [value, long, short] = [tf.ones([4, 6]), tf.ones([4, 7]), tf.ones([6])];
    const slot = fusedAdamW!.slot(value);
    for (const gradient of [long, short])
      expect(() => slot.update(1, gradient, OPTIONS)).toThrow('SdpoAdamW');
    slot.update(1, value, OPTIONS);
    const resumed = fusedAdamW!.slot(value, { expAvg: value, expAvgSq: short });
    expect(() => resumed.update(1, value, OPTIONS)).toThrow('SdpoAdamW');
    slot.dispose();
    resumed.dispose();
    tf.dispose([value, long, short]);
  });

  it.each([1, 2, 10, 300])('equals the formula in float64 after %i steps', async (steps) => {
    const fused = await train(steps);
    const exact = adamW(START, steps, OPTIONS);
    expect(fused.shape).toEqual([4, 6]);
    expect(largestGap(fused.theta, exact.theta)).toBeLessThan(2e-6 + steps * 1e-7);
    expect(largestGap(fused.m, exact.m)).toBeLessThan(1e-6);
    expect(largestGap(fused.v, exact.v)).toBeLessThan(1e-5);
    expect(fused.leaked).toBe(0);
  });

  it.each<[string, Partial<AdamWHyperparameters>]>([
    ['another epsilon', { epsilon: 1e-8 }],
    ['no decay', { weightDecay: 0 }],
    ['another beta', { beta2: 0.99 }],
  ])('differs with %s, so the check above can fail', async (_, change) => {
    const fused = await train(10, { ...OPTIONS, ...change });
    expect(largestGap(fused.theta, adamW(START, 10, OPTIONS).theta)).toBeGreaterThan(1e-5);
    expect(largestGap(fused.theta, adamW(START, 10, { ...OPTIONS, ...change }).theta)).toBeLessThan(5e-6);
  });

  it('scales the gradient as if it had been scaled before', async () => {
    const { tf, fusedAdamW, readFloats } = await openEngine(engine);
    const [initial, gradient] = [tf.tensor(START), tf.tensor(START.map((_, i) => gradientAt(1, i)))];
    const halved = tf.mul(gradient, 0.5);
    const [scaled, given, unscaled] = [
      fusedAdamW!.slot(initial),
      fusedAdamW!.slot(initial),
      fusedAdamW!.slot(initial),
    ];
    scaled.update(1, gradient, { ...OPTIONS, gradientScale: 0.5 });
    given.update(1, halved, OPTIONS);
    unscaled.update(1, gradient, OPTIONS);
    const values = [scaled, given, unscaled].map((slot) => slot.moments().expAvg);
    const [a, b, c] = await Promise.all(values.map((value) => readFloats(value)));
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
    tf.dispose([initial, gradient, halved, ...values]);
    for (const slot of [scaled, given, unscaled]) slot.dispose();
  });

  it('goes on from given moments as if there had been no break', async () => {
    const { tf, fusedAdamW, readFloats } = await openEngine(engine);
    const whole = await train(6);
    const half = await train(3);
    const state = [half.theta, half.m, half.v].map((values) => tf.tensor(values, [4, 6]));
    const [theta, expAvg, expAvgSq] = state as [(typeof state)[0], (typeof state)[0], (typeof state)[0]];
    const slot = fusedAdamW!.slot(theta, { expAvg, expAvgSq });
    tf.dispose(state);
    for (let t = 4; t <= 6; t++) {
      const gradient = tf.tensor(
        START.map((_, i) => gradientAt(t, i)),
        [4, 6],
      );
      slot.update(t, gradient, OPTIONS);
      gradient.dispose();
    }
    const value = slot.value();
    expect(await readFloats(value)).toEqual(whole.theta);
    value.dispose();
    slot.dispose();
  });

  it('hands out values that later updates do not change', async () => {
    const { tf, fusedAdamW, readFloats } = await openEngine(engine);
    const [initial, gradient] = [tf.ones([5]), tf.ones([5])];
    const slot = fusedAdamW!.slot(initial);
    const before = slot.value();
    slot.update(1, gradient, OPTIONS);
    const after = slot.value();
    expect([...(await readFloats(initial))]).toEqual([1, 1, 1, 1, 1]);
    expect([...(await readFloats(before))]).toEqual([1, 1, 1, 1, 1]);
    expect((await readFloats(after))[0]).toBeLessThan(1);
    tf.dispose([initial, gradient, before, after]);
    slot.dispose();
  });
}
