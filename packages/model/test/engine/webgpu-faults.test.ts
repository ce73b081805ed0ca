import { describe, expect, it } from 'vitest';
import { isSoftwareAdapter, adapterName } from '../../src/engine/webgpu/adapter.js';
import { DeviceFaults } from '../../src/engine/webgpu/device-faults.js';
import type { GpuError } from '../../src/engine/webgpu/gpu-types.js';
import { autoOrder, openEngine } from '../../src/engine/index.js';
import { WEBGPU_TIMEOUT_MS, webgpuSkipped } from './webgpu-available.js';

class GPUOutOfMemoryError extends Error {}
class GPUValidationError extends Error {}

/** A device that reports what a test tells it to. */
function brokenDevice() {
  let report: (event: { error: GpuError }) => void = () => undefined;
  let lose: (info: { reason: string; message: string }) => void = () => undefined;
  const faults = new DeviceFaults({
    lost: new Promise((resolve) => (lose = resolve)),
    addEventListener: (_, listener) => (report = listener),
  });
  return { faults, report: (error: GpuError) => report({ error }), lose };
}

describe('errors of a GPU device', () => {
  it('throw nothing while there are none', () => {
    expect(() => brokenDevice().faults.check()).not.toThrow();
  });

  it.each([
    [
      new GPUOutOfMemoryError('Out of device memory\n - While calling …'),
      'engine-memory',
      'Out of device memory',
    ],
    [new GPUValidationError('buffer used while destroyed'), 'engine-failed', 'buffer used while destroyed'],
  ])('are thrown by the next check: %s', (error, code, found) => {
    const { faults, report } = brokenDevice();
    report(error);
    report(new GPUValidationError('what follows from the first'));
    expect(() => faults.check()).toThrow(
      expect.objectContaining({ code, details: expect.objectContaining({ found }) as object }),
    );
  });

  it('include the loss of the device', async () => {
    const { faults, lose } = brokenDevice();
    lose({ reason: 'unknown', message: 'the driver was reset' });
    await Promise.resolve();
    const details = expect.objectContaining({ found: 'unknown: the driver was reset' }) as object;
    expect(() => faults.check()).toThrow(expect.objectContaining({ code: 'engine-lost', details }));
  });
});

describe('a WebGPU adapter', () => {
  const info = { vendor: '', architecture: '', device: '', description: '', isFallbackAdapter: false };

  it.each([
    [{ vendor: 'mesa', architecture: 'software', description: 'llvmpipe: Mesa 25.0.7 (LLVM 15.0.6)' }, true],
    [{ vendor: 'google', architecture: 'swiftshader', description: 'SwiftShader Device (Subzero)' }, true],
    [{ vendor: 'microsoft', description: 'Microsoft Basic Render Driver' }, true],
    [{ vendor: 'somebody', isFallbackAdapter: true }, true],
    [{ vendor: 'nvidia', architecture: 'ampere', description: 'NVIDIA GeForce RTX 3060' }, false],
    [{ vendor: 'intel', architecture: 'gen-12lp', description: 'Intel Iris Xe Graphics' }, false],
    [{ vendor: 'apple', architecture: 'metal-3', description: 'Apple M2' }, false],
    [{ vendor: 'amd', architecture: 'rdna-3', description: 'AMD Radeon RX 7600 (RADV NAVI33)' }, false],
  ])('%j: software %s', (change, software) => {
    expect(isSoftwareAdapter({ ...info, ...change })).toBe(software);
  });

  it('has a name for people', () => {
    expect(adapterName({ ...info, vendor: 'apple', architecture: 'metal-3', device: 'M2' })).toBe(
      'apple metal-3 M2',
    );
  });
});

it('auto prefers CUDA to WebGPU, and a GPU to the processor', () => {
  expect(autoOrder(true)).toEqual(['tensorflow', 'webgpu', 'wasm']);
  expect(autoOrder(false)).toEqual(['webgpu', 'tensorflow', 'wasm']);
});

// The last test here: this process has no working device afterwards.
it.skipIf(webgpuSkipped)(
  'a lost device ends work with a typed error, not with zeros (needs webgpu)',
  { timeout: WEBGPU_TIMEOUT_MS },
  async () => {
    const { tf, readFloats } = await openEngine('webgpu');
    const x = tf.add(tf.ones([4]), 1);
    expect([...(await readFloats(tf.mul(x, 2)))]).toEqual([4, 4, 4, 4]);
    const y = tf.mul(x, 3);
    (tf.backend() as unknown as { device: { destroy(): void } }).device.destroy();
    await expect(readFloats(y)).rejects.toMatchObject({ code: 'engine-lost' });
    expect(() => tf.fill([1000, 7], 2)).toThrow(expect.objectContaining({ code: 'engine-lost' }));
    await expect(openEngine('webgpu')).rejects.toMatchObject({ code: 'engine-lost' });
  },
);
