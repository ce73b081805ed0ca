/** Steps that opening an engine has in common: choosing the tfjs backend, refusing a precision, reading values. */
import { InputError } from '@selective-dpo/foundation';
import type { EngineName, EnginePrecision } from './engine.js';
import type { Tensor } from '@tensorflow/tfjs-core';
import { tf } from './tfjs-setup.js';

/**
 * Makes a registered tfjs backend the current one.
 * @throws InputError `engine-not-available` if it does not start.
 */
export async function useBackend(name: EngineName): Promise<void> {
  const reason = await failureOf(name);
  if (reason === undefined) return;
  throw new InputError('engine-not-available', `the ${name} engine does not start`, {
    found: reason,
    hint: 'try another engine, e.g. wasm, which needs nothing but this package',
  });
}

async function failureOf(name: EngineName): Promise<string | undefined> {
  try {
    if (!(await tf.setBackend(name))) return 'no reason given by tfjs';
    await tf.ready();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** @throws InputError `engine-precision` for an engine that multiplies in float32 only. */
export function refuseBf16(name: EngineName, precision: EnginePrecision): void {
  if (precision === 'fp32') return;
  throw new InputError('engine-precision', `the ${name} engine has no bfloat16 matrix products`, {
    field: 'precision',
    found: precision,
    expected: 'fp32',
    hint: 'use precision fp32, or the tensorflow engine',
  });
}

/** @throws TypeError if the tensor is not float32. */
export async function floatsOf(tensor: Tensor): Promise<Float32Array> {
  if (tensor.dtype !== 'float32') throw new TypeError(`a float32 tensor was expected, found ${tensor.dtype}`);
  return tensor.data<'float32'>();
}
