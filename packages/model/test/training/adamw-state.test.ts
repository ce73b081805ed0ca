import { describe, expect, it } from 'vitest';
import { ParameterSet, type ParameterSpec } from '../../src/causal-lm/index.js';
import { openEngine } from '../../src/engine/index.js';
import { AdamW } from '../../src/training/index.js';

const SPEC: ParameterSpec = {
  name: 'own',
  shape: [2, 3],
  parts: [{ name: 'model.own', rows: 2 }],
  decays: true,
};

describe('AdamW.restoreState', () => {
  it('refuses a moment of another size than its parameter, and keeps no tensor of it', async () => {
    const { tf } = await openEngine('cpu');
    const parameters = new ParameterSet([SPEC]);
    parameters.assign('own', tf.zeros(SPEC.shape));
    const optimizer = new AdamW(parameters);
    const before = tf.memory().numTensors;
    const restore = (sizes: [number, number]) =>
      optimizer.restoreState(3, (name) =>
        Promise.resolve(new Float32Array(sizes[name.startsWith('exp_avg_sq') ? 1 : 0]).fill(1)),
      );
    for (const sizes of [
      [1, 6],
      [6, 1],
      [6, 7],
      [0, 6],
    ] as [number, number][]) {
      await expect(restore(sizes)).rejects.toThrow(RangeError);
      expect(optimizer.stepCount).toBe(0);
      expect(tf.memory().numTensors).toBe(before);
    }
    // Negative control.
    await restore([6, 6]);
    expect(optimizer.stepCount).toBe(3);
    expect(tf.memory().numTensors).toBe(before);
  });
});
