/**
 * The engine that needs nothing but npm: tfjs's WebAssembly kernels (SIMD, one thread), with replacements for
 * those that are slow or missing.
 */
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { setWasmPaths, version_wasm, type BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { floatsOf, refuseBf16, useBackend } from '../backend.js';
import type { Engine, EnginePrecision } from '../engine.js';
import { registerRowWriter } from '../row-writes.js';
import { tf } from '../tfjs-setup.js';
import { guardAllocations } from './memory-guard.js';
import { registerWasmKernels } from './register-kernels.js';
import { wasmAdamW } from './wasm-adamw.js';
import { wasmRowWriter } from './wasm-row-writer.js';

/** WebAssembly memory ends at 4 GiB; the rest is left for the module itself and for gaps between tensors. */
const MEMORY_LIMIT_BYTES = 3.5 * 2 ** 30;

/** Raised when a replacement kernel changes so that computed values may differ. */
const KERNELS = 'selective-dpo-2';

let prepared = false;

/** @throws InputError `engine-precision`, `engine-not-available`. */
export async function openWasmEngine(precision: EnginePrecision): Promise<Engine> {
  refuseBf16('wasm', precision);
  prepare();
  await useBackend('wasm');
  const backend = tf.backend() as BackendWasm;
  guardAllocations(backend);
  registerRowWriter('wasm', wasmRowWriter(backend));
  return {
    name: 'wasm',
    precision,
    tf,
    memoryLimitBytes: MEMORY_LIMIT_BYTES,
    processBytes: 2 ** 28,
    fusedAdamW: wasmAdamW(backend),
    describe: () => ({
      engine: 'wasm',
      precision,
      tfjs: tf.version_core,
      wasm: version_wasm,
      kernels: KERNELS,
    }),
    readFloats: floatsOf,
  };
}

function prepare(): void {
  if (prepared) return;
  prepared = true;
  const entry = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(dirname(entry) + sep);
  // Threads would give 1.4 times more but are fragile in Node.
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  registerWasmKernels();
}
