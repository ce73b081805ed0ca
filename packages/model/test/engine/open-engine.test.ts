import { describe, expect, it } from 'vitest';
import { isSoftwareAdapter, requestAdapter } from '../../src/engine/webgpu/adapter.js';
import { openEngine } from '../../src/engine/index.js';
import { WEBGPU_TIMEOUT_MS, webgpuSkipped } from './webgpu-available.js';

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

  it.skipIf(webgpuSkipped)(
    'auto leaves a software driver alone, which opens by its name (needs webgpu)',
    { timeout: WEBGPU_TIMEOUT_MS },
    async () => {
      const software = isSoftwareAdapter((await requestAdapter()).info);
      const auto = await openEngine('auto');
      if (software) expect(auto.name).not.toBe('webgpu');
      const webgpu = await openEngine('webgpu');
      expect(webgpu.tf.getBackend()).toBe('webgpu');
      expect(webgpu.describe()).toMatchObject({
        engine: 'webgpu',
        adapter: expect.stringMatching(/./) as string,
      });
      // A tensor made on another engine moves here.
      const cpu = await openEngine('cpu');
      const x = cpu.tf.add(cpu.tf.tensor1d([1, 2, 3]), 1);
      await openEngine('webgpu');
      expect([...(await webgpu.readFloats(webgpu.tf.mul(x, 2)))]).toEqual([4, 6, 8]);
    },
  );
});
