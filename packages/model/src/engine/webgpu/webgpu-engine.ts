/**
 * The engine `webgpu`: tfjs's WebGPU backend on Dawn, for GPUs of any maker (Vulkan, Metal, Direct3D 12). Both packages are
 * loaded when it is first asked for.
 */
import { createRequire } from 'node:module';
import { InputError } from '@selective-dpo/foundation';
import { floatsOf, refuseBf16, useBackend } from '../backend.js';
import type { Engine, EnginePrecision } from '../engine.js';
import { tf } from '../tfjs-setup.js';
import { adapterName, isSoftwareAdapter, requestAdapter } from './adapter.js';
import { loadDawn } from './dawn.js';
import { DeviceFaults } from './device-faults.js';
import type {
  GpuAdapter,
  GpuAdapterInfo,
  GpuDevice,
  GpuLimits,
  LimitName,
  WebgpuBackend,
} from './gpu-types.js';
import { guardBackend } from './guarded-backend.js';
import { registerWebgpuKernels } from './register-kernels.js';

const require = createRequire(import.meta.url);

/** Raised when a replacement kernel changes so that computed values may differ. */
const KERNELS = 'selective-dpo-1';

/** A device gets no more than it asks for, and WebGPU's defaults (128 MiB a tensor) are small. */
const LIMITS: readonly LimitName[] = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxComputeWorkgroupSizeX',
  'maxComputeInvocationsPerWorkgroup',
  'maxStorageBuffersPerShaderStage',
];

interface OpenDevice {
  faults: DeviceFaults;
  adapter: string;
  dawn: string;
  tfjs: string;
}

/** tfjs has one WebGPU backend a process, so there is one device. */
let open: Promise<OpenDevice> | undefined;

/**
 * @throws InputError `engine-precision`, `engine-not-available` where the package, a driver or a GPU is missing,
 *   `engine-lost` and the other errors of {@link DeviceFaults.check} where this process's device has failed before.
 */
export async function openWebgpuEngine(precision: EnginePrecision): Promise<Engine> {
  refuseBf16('webgpu', precision);
  open ??= openDevice();
  const device = await open;
  device.faults.check();
  await useBackend('webgpu');
  return {
    name: 'webgpu',
    precision,
    tf,
    memoryLimitBytes: undefined,
    fusedAdamW: undefined,
    describe: () => ({
      engine: 'webgpu',
      precision,
      tfjs: tf.version_core,
      webgpu: device.tfjs,
      dawn: device.dawn,
      adapter: device.adapter,
      kernels: KERNELS,
    }),
    readFloats: async (tensor) => (await floatsOf(tensor)).slice(),
  };
}

/**
 * {@link openWebgpuEngine} on a real GPU only.
 * @throws InputError `engine-not-available` also where the adapter is a software driver.
 */
export async function openRealWebgpuEngine(precision: EnginePrecision): Promise<Engine> {
  const { info } = await requestAdapter();
  if (!isSoftwareAdapter(info)) return openWebgpuEngine(precision);
  throw new InputError('engine-not-available', 'WebGPU finds no GPU, only a software driver', {
    found: adapterName(info),
    hint: 'ask for it by name: --engine webgpu',
  });
}

/** Why the engine cannot be used on this machine; undefined where an adapter answers, be it a software one. */
export async function webgpuProblem(): Promise<InputError | undefined> {
  try {
    await requestAdapter();
    return undefined;
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

async function openDevice(): Promise<OpenDevice> {
  const { gpu, version } = await loadDawn();
  const adapter = await requestAdapter();
  const device = await requestDevice(adapter);
  const { WebGPUBackend } = require('@tensorflow/tfjs-backend-webgpu') as {
    WebGPUBackend: new (device: GpuDevice, info: GpuAdapterInfo) => WebgpuBackend;
  };
  registerWebgpuKernels();
  const backend = withNavigator(gpu, () => new WebGPUBackend(device, adapter.info));
  const faults = new DeviceFaults(device);
  guardBackend(backend, faults);
  tf.registerBackend('webgpu', () => backend);
  const { version: tfjs } = require('@tensorflow/tfjs-backend-webgpu/package.json') as { version: string };
  // Work that is still on its way when Node ends would meet a driver that is gone.
  process.once('exit', () => device.destroy());
  return {
    faults,
    adapter: adapterName(adapter.info),
    dawn: version,
    tfjs,
  };
}

async function requestDevice(adapter: GpuAdapter): Promise<GpuDevice> {
  const requiredLimits: Partial<GpuLimits> = Object.fromEntries(
    LIMITS.map((name) => [name, adapter.limits[name]]),
  );
  try {
    return await adapter.requestDevice({ requiredLimits });
  } catch (error) {
    throw new InputError('engine-not-available', 'the GPU gives no device', {
      found: (error as Error).message.split('\n')[0]!,
      hint: 'end other programs that use the GPU, or use another engine',
    });
  }
}

/**
 * tfjs's backend starts only where `navigator.gpu` is. It is there for that moment and gone again, so that no other
 * library takes this process for a browser. Node 20 has no navigator; later versions have one.
 */
function withNavigator<Result>(gpu: unknown, create: () => Result): Result {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
  try {
    return create();
  } finally {
    if (before === undefined) Reflect.deleteProperty(globalThis, 'navigator');
    else Object.defineProperty(globalThis, 'navigator', before);
  }
}
