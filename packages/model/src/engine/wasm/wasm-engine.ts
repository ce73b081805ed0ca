/**
 * The engine that needs nothing but npm: tfjs's WebAssembly kernels (SIMD, one thread), with replacements for
 * those that are slow or missing. Threads would give 1.4 times more but are fragile in Node.
 */
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import { floatsOf, refuseBf16, useBackend } from '../backend.js';
import type { Engine, EnginePrecision } from '../engine.js';
import { tf } from '../tfjs-setup.js';
import { registerWasmKernels } from './wasm-kernels.js';

/** WebAssembly addresses have 32 bits, and the module may grow to all of them. */
const WASM_MEMORY_BYTES = 4 * 2 ** 30;

let prepared = false;

/** @throws InputError `engine-precision`, `engine-not-available`. */
export async function openWasmEngine(precision: EnginePrecision): Promise<Engine> {
  refuseBf16('wasm', precision);
  prepare();
  await useBackend('wasm');
  return {
    name: 'wasm',
    precision,
    tf,
    memoryLimitBytes: WASM_MEMORY_BYTES,
    fusedAdamW: undefined,
    describe: () => ({ engine: 'wasm', precision, tfjs: tf.version_core, wasm: version_wasm }),
    readFloats: floatsOf,
  };
}

function prepare(): void {
  if (prepared) return;
  const entry = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(dirname(entry) + sep);
  registerWasmKernels();
  // Threads would give 1.4 times more but are fragile in Node.
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  prepared = true;
}
