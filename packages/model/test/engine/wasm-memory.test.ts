import { InputError } from '@selective-dpo/foundation';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { openEngine } from '../../src/engine/index.js';

describe('the memory of the wasm engine', () => {
  it('ends in an error that leaves the engine alive', async () => {
    const { tf, memoryLimitBytes } = await openEngine('wasm');
    const backend = tf.backend() as BackendWasm;
    const witness = tf.tensor1d([1, 2, 3]);
    // Memory that is asked for and never written costs the machine nothing.
    const bytes = 2 ** 28;
    const held: TensorInfo[] = [];
    let problem: unknown;
    try {
      for (let i = 0; i < 32; i++) held.push(backend.makeOutput([bytes / 4], 'float32'));
    } catch (error) {
      problem = error;
    }
    expect(problem).toBeInstanceOf(InputError);
    expect((problem as InputError).code).toBe('engine-memory');
    expect(held.length * bytes).toBeGreaterThanOrEqual(memoryLimitBytes!);
    expect([...witness.dataSync()]).toEqual([1, 2, 3]);
    held.forEach(({ dataId }) => backend.disposeData(dataId));
    expect([...tf.mul(witness, 2).dataSync()]).toEqual([2, 4, 6]);
    // What was freed can be used again.
    expect(() => backend.disposeData(backend.makeOutput([bytes / 4], 'float32').dataId)).not.toThrow();
  });
});
