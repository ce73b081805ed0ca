import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { rotaryFrequencies, rotaryTables } from '../../src/causal-lm/rotary-embedding.js';
import { openEngine } from '../../src/engine/index.js';

describe('rotary tables', () => {
  beforeAll(() => openEngine('cpu'));

  it('are right to the last bit of float32 at far positions, where angles in float32 are not', async () => {
    const rope = { type: 'default', theta: 10_000 } as const;
    const frequencies = rotaryFrequencies({ headDim: 8, rope } as Parameters<typeof rotaryFrequencies>[0]);
    const positions = Int32Array.of(1, 511, 4_095, 131_071);
    const { cos, sin } = rotaryTables(frequencies, positions);
    const [cosines, sines] = [await cos.data<'float32'>(), await sin.data<'float32'>()];
    let [exact, ofFloat32] = [0, 0];
    positions.forEach((position, n) =>
      frequencies.forEach((frequency, i) => {
        const [x, y] = [cosines[4 * n + i]!, sines[4 * n + i]!];
        // The angle between the table's direction and the true one.
        const angle = position * frequency;
        exact = Math.max(exact, Math.abs(y * Math.cos(angle) - x * Math.sin(angle)));
        const rounded = Math.fround(position * Math.fround(frequency));
        ofFloat32 = Math.max(ofFloat32, Math.abs(rounded - angle));
      }),
    );
    expect(exact).toBeLessThan(6e-8);
    expect(ofFloat32).toBeGreaterThan(1e-4);
    tf.dispose([cos, sin]);
  });
});
