import { describe, expect, it } from 'vitest';
import { openEngine } from '../../src/engine/index.js';
import { plainAdamW } from '../../src/training/plain-adamw.js';
import { START, adamW, gradientAt } from '../engine/adamw-formula.js';

const OPTIONS = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-4, weightDecay: 0.1 };

describe.each(['wasm', 'cpu'] as const)('AdamW in plain ops on %s', (name) => {
  async function train(steps: number, options = OPTIONS): Promise<{ theta: Float32Array; leaked: number }> {
    const { tf, readFloats } = await openEngine(name);
    const before = tf.memory().numTensors;
    const initial = tf.tensor(START);
    const slot = plainAdamW.slot(initial);
    for (let t = 1; t <= steps; t++) {
      const gradient = tf.tensor(START.map((_, i) => gradientAt(t, i)));
      slot.update(t, gradient, options);
      gradient.dispose();
    }
    const value = slot.value();
    const theta = await readFloats(value);
    expect([...(await readFloats(initial))]).toEqual(START);
    tf.dispose([initial, value]);
    slot.dispose();
    return { theta, leaked: tf.memory().numTensors - before };
  }

  it.each([1, 2, 10, 300])('equals the formula in float64 after %i steps', async (steps) => {
    const { theta, leaked } = await train(steps);
    const gap = (expected: number[]) => Math.max(...expected.map((value, i) => Math.abs(value - theta[i]!)));
    expect(gap(adamW(START, steps, OPTIONS).theta)).toBeLessThan(2e-6 + steps * 1e-7);
    expect(leaked).toBe(0);
    // Negative control: without decay it is another value.
    expect(gap(adamW(START, steps, { ...OPTIONS, weightDecay: 0 }).theta)).toBeGreaterThan(5e-4);
  });
});
