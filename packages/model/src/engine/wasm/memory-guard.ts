/**
 * Makes a full WebAssembly heap an error instead of a wreck. malloc answers 0 there, tfjs does not look, and the next
 * write lands on address 0, among the module's own data: wrong numbers, then a dead backend.
 */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { InputError } from '@selective-dpo/foundation';
import { moduleOf } from './heap.js';

const guarded = new WeakSet<BackendWasm>();

/** From now on an allocation that does not fit throws InputError `engine-memory`, and nothing is damaged. */
export function guardAllocations(backend: BackendWasm): void {
  if (guarded.has(backend)) return;
  guarded.add(backend);
  const wasm = moduleOf(backend);
  // The first call replaces the function in the module; the guard has to come after.
  wasm._free(wasm._malloc(1));
  const allocate = wasm._malloc;
  wasm._malloc = (bytes: number): number => {
    const address = allocate(bytes);
    if (address !== 0) return address;
    throw new InputError('engine-memory', 'the wasm engine is out of memory', {
      found: `${(wasm.HEAPU8.length / 2 ** 30).toFixed(2)} GiB in use, ${bytes} bytes more asked for`,
      expected: 'at most 4 GiB in all, which is where WebAssembly ends',
      hint: 'use smaller batches, a smaller model, or the tensorflow engine',
    });
  };
}
