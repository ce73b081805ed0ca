/** Which GPU there is, and whether it is one at all: a software driver computes on the processor. */
import { InputError } from '@selective-dpo/foundation';
import { loadDawn } from './dawn.js';
import type { GpuAdapter, GpuAdapterInfo } from './gpu-types.js';

/** Names of Vulkan, Direct3D and OpenGL drivers that compute on the processor. */
const SOFTWARE = /llvmpipe|lavapipe|softpipe|swiftshader|software|basic render|\bwarp\b/i;

/**
 * Whether an adapter is a software driver (Mesa's lavapipe, Google's SwiftShader, Microsoft's WARP). It is slower than
 * any engine made for the processor, so `auto` never takes one.
 */
export function isSoftwareAdapter(info: GpuAdapterInfo): boolean {
  const names = [info.vendor, info.architecture, info.device, info.description];
  return info.isFallbackAdapter === true || names.some((name) => SOFTWARE.test(name));
}

/** A text for people and manifests, e.g. `nvidia ampere NVIDIA A10`. */
export function adapterName({ vendor, architecture, description, device }: GpuAdapterInfo): string {
  return [vendor, architecture, description === '' ? device : description]
    .filter((part) => part !== '')
    .join(' ');
}

/**
 * The adapter that Dawn prefers on this machine.
 * @throws InputError `engine-not-available` where the package or a driver is missing.
 */
export async function requestAdapter(): Promise<GpuAdapter> {
  const { gpu } = await loadDawn();
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter !== null) return adapter;
  throw noAdapter();
}

/** The driver is missing, or too old for Dawn: Mesa 22, as in Debian 12, is. */
export function noAdapter(): InputError {
  return new InputError('engine-not-available', 'WebGPU finds no adapter', {
    expected: 'a GPU with a Vulkan 1.3, Metal or Direct3D 12 driver, or a software driver (Mesa 25 or newer)',
    hint: "install the GPU's driver; on Debian and Ubuntu mesa-vulkan-drivers serves AMD, Intel and software rendering",
  });
}
