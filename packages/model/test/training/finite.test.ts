import { describe, expect, it } from 'vitest';
import { ParameterSet, type ParameterSpec } from '../../src/causal-lm/index.js';
import { openEngine } from '../../src/engine/index.js';
import { nonFiniteParameter } from '../../src/training/index.js';
import { enginesToTest } from '../engines-to-test.js';

const spec = (name: string, shape: number[]): ParameterSpec => ({
  name,
  shape,
  parts: [{ name: `model.${name}`, rows: shape[0]! }],
  decays: true,
});
const SPECS = [spec('first', [3, 5]), spec('norm', [4]), spec('last', [2, 7])];

describe.each(enginesToTest('cpu', 'wasm', 'tensorflow'))('nonFiniteParameter on %s', (name) => {
  /** A set whose values are `usual`, but for one. */
  async function found(usual: number, change?: { spec: number; place: number; value: number }) {
    const { tf } = await openEngine(name);
    const parameters = new ParameterSet(SPECS);
    SPECS.forEach(({ name: parameter, shape }, i) => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(usual);
      if (change?.spec === i) values[change.place] = change.value;
      parameters.assign(parameter, tf.tensor(values, shape));
    });
    const before = tf.memory().numTensors;
    const result = await nonFiniteParameter(parameters);
    expect(tf.memory().numTensors).toBe(before);
    parameters.dispose();
    return result?.name;
  }

  it('finds a value that is not finite, wherever it stands', async () => {
    for (const value of [NaN, Infinity, -Infinity]) {
      expect(await found(1, { spec: 0, place: 0, value })).toBe('first');
      expect(await found(1, { spec: 1, place: 3, value })).toBe('norm');
      expect(await found(1, { spec: 2, place: 13, value })).toBe('last');
    }
  });

  it('finds nothing among numbers, however large or small', async () => {
    for (const usual of [0, -0, 1, -3.4e38, 3.4e38, 1e-45]) expect(await found(usual)).toBeUndefined();
  });
});
