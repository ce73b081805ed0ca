/**
 * Errors of a GPU device, which come apart from the call that caused them: memory that ran out, a lost device, a refused
 * command. WebGPU then goes on with empty buffers, and a read gives zeros; so whoever reads has to look here first.
 */
import { InputError } from '@selective-dpo/foundation';
import type { GpuError, GpuErrorSource } from './gpu-types.js';

/** Remembers the first error of a device; nothing computed after it is worth anything. */
export class DeviceFaults {
  private first: InputError | undefined;

  constructor(device: GpuErrorSource) {
    device.addEventListener('uncapturederror', ({ error }) => (this.first ??= faultOf(error)));
    void device.lost.then(({ reason, message }) => (this.first ??= lostDevice(reason, message)));
  }

  /**
   * @throws InputError `engine-memory` if the GPU's memory ran out, `engine-lost` if the device is gone, `engine-failed`
   *   if it refused a command.
   */
  check(): void {
    if (this.first !== undefined) throw this.first;
  }
}

function faultOf(error: GpuError): InputError {
  const found = error.message.split('\n')[0]!;
  if (error.constructor.name === 'GPUOutOfMemoryError') return outOfMemory(found);
  return new InputError('engine-failed', 'the GPU refused a command', {
    found,
    hint: 'use another engine; this is a defect of the driver, of Dawn, of tfjs or of this engine',
  });
}

/** @param found the driver's words, which may be none. */
export function outOfMemory(found: string): InputError {
  return new InputError('engine-memory', 'the GPU is out of memory', {
    found: found === '' ? 'no message from the driver' : found,
    hint: 'use smaller batches (microBatchTokens, --batch-tokens), activations=recompute, or another engine',
  });
}

function lostDevice(reason: string, message: string): InputError {
  return new InputError('engine-lost', 'the GPU device is lost', {
    found: [reason, message].filter((part) => part !== '').join(': '),
    hint: 'run the command again (train with --resume); if it comes back, use smaller batches or another engine',
  });
}
