/** What tfjs's WebGPU backend leaves out: errors of the device reach the caller, and its pool of buffers has an end. */
import { InputError } from '@selective-dpo/foundation';
import { outOfMemory, type DeviceFaults } from './device-faults.js';
import type { BufferManager, GpuLimits, WebgpuBackend } from './gpu-types.js';

/** Released buffers kept for the next tensors: at least so many bytes, or half of what is in use. */
const MIN_POOL_BYTES = 256 * 2 ** 20;

/** How long to wait for the reason of a failed read. */
const NEWS_MS = 50;

/** From now on errors of the device are thrown by the next allocation or read, and never read as zeros. */
export function guardBackend(backend: WebgpuBackend, faults: DeviceFaults): void {
  guardReads(backend, faults);
  guardBuffers(backend.bufferManager, backend.device.limits, faults);
}

function guardReads(backend: WebgpuBackend, faults: DeviceFaults): void {
  const read = backend.read.bind(backend);
  backend.read = async (dataId) => {
    faults.check();
    try {
      const values = await read(dataId);
      // The device tells of an error before it answers a later read, in the same order.
      faults.check();
      return values;
    } catch (error) {
      // A lost device may break off a read before it tells of its end.
      await new Promise((resolve) => setTimeout(resolve, NEWS_MS));
      faults.check();
      throw error;
    }
  };
  const readSync = backend.readSync.bind(backend);
  backend.readSync = (dataId) => {
    const { values } = backend.tensorMap.get(dataId);
    if (values !== null && values !== undefined) return readSync(dataId);
    throw new TypeError('values on a GPU cannot be read synchronously; use data() instead of dataSync()');
  };
}

function guardBuffers(pool: BufferManager, limits: GpuLimits, faults: DeviceFaults): void {
  const acquire = pool.acquireBuffer.bind(pool);
  pool.acquireBuffer = (size, usage, mappedAtCreation, reuse) => {
    faults.check();
    refuseLarger(size, limits);
    const before = pool.numBytesAllocated;
    const buffer = created(() => acquire(size, usage, mappedAtCreation, reuse));
    if (pool.numBytesAllocated > before) trim(pool);
    return buffer;
  };
}

/** A buffer that the processor writes to is made at once or not at all; others are reported by the device. */
function created<Buffer>(create: () => Buffer): Buffer {
  try {
    return create();
  } catch (error) {
    if (error instanceof RangeError) throw outOfMemory(error.message);
    throw error;
  }
}

function refuseLarger(bytes: number, limits: GpuLimits): void {
  const most = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  if (bytes <= most) return;
  const mebibytes = (count: number): string => `${(count / 2 ** 20).toFixed(1)} MiB`;
  throw new InputError('engine-memory', 'a tensor is larger than the GPU driver binds to a kernel', {
    found: mebibytes(bytes),
    expected: `at most ${mebibytes(most)} (maxStorageBufferBindingSize, maxBufferSize)`,
    hint: 'use a smaller model (the embedding is its largest tensor), smaller batches, or another engine',
  });
}

/** tfjs keeps every released buffer by its exact size, so batches of ever new shapes would fill the memory. */
function trim(pool: BufferManager): void {
  const free = pool.numBytesAllocated - pool.numBytesUsed;
  if (free <= Math.max(MIN_POOL_BYTES, pool.numBytesUsed / 2)) return;
  for (const buffers of pool.freeBuffers.values()) {
    for (const buffer of buffers) {
      pool.numBytesAllocated -= buffer.size;
      buffer.destroy();
    }
    pool.numFreeBuffers -= buffers.length;
    buffers.length = 0;
  }
}
