import { describe, expect, it } from 'vitest';
import { openEngine } from '../../src/engine/index.js';

describe('opening an engine', () => {
  it('makes it the current backend of the process, and another one later', async () => {
    const wasm = await openEngine('wasm');
    expect(wasm.tf.getBackend()).toBe('wasm');
    const x = wasm.tf.tensor1d([1, 2, 3]);
    const cpu = await openEngine('cpu');
    expect(cpu.tf.getBackend()).toBe('cpu');
    // A tensor made on the first engine moves to the second when an op needs it.
    expect([...(await cpu.readFloats(cpu.tf.mul(x, 2)))]).toEqual([2, 4, 6]);
  });
});
