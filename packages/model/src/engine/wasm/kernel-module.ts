/**
 * The kernels of this package's own WebAssembly module (packages/model/assembly, compiled by `npm run build`). The module has
 * no memory of its own: it works on tensors where they lie on the heap of tfjs's backend.
 */
import { readFileSync } from 'node:fs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { InputError } from '@selective-dpo/foundation';
import { moduleOf } from './heap.js';

/** The one part of the standard interface that is used here; its types would come with a DOM library. */
const { Module, Instance } = (
  globalThis as unknown as {
    WebAssembly: {
      Module: new (code: Uint8Array) => object;
      Instance: new (module: object, imports: object) => { exports: object };
    };
  }
).WebAssembly;

/**
 * What the module exports. Parameters are byte addresses, counts, distances in bytes and plain numbers, as the functions of the
 * same names in packages/model/assembly have them.
 */
export type KernelExports = Record<KernelName, (...parameters: number[]) => void> &
  Record<'matmulScratchBytes' | 'attentionScratchBytes', (...parameters: number[]) => number>;

type KernelName =
  | 'matmul'
  | 'rmsNorm'
  | 'rmsNormGradient'
  | 'swiglu'
  | 'swigluGradient'
  | 'tokenLogps'
  | 'tokenLogpsGradient'
  | 'attention'
  | 'attentionGradient'
  | 'squaredSum'
  | 'adamW';

/** The module's exports on one backend's heap, with a piece of that heap for what kernels need while they run. */
export class KernelModule {
  private scratchAt = 0;
  private scratchBytes = 0;

  constructor(
    private readonly backend: BackendWasm,
    readonly kernels: KernelExports,
  ) {}

  /** Address of at least `bytes` bytes, aligned to 16, until the next call. Allocate tensors first. */
  scratch(bytes: number): number {
    if (bytes > this.scratchBytes) {
      const heap = moduleOf(this.backend);
      if (this.scratchAt !== 0) heap._free(this.scratchAt);
      // Forgotten before the next allocation, which may fail: an address must not be freed twice.
      this.scratchAt = this.scratchBytes = 0;
      this.scratchAt = heap._malloc(bytes + 16);
      this.scratchBytes = bytes;
    }
    return (this.scratchAt + 15) & ~15;
  }
}

const modules = new WeakMap<BackendWasm, KernelModule>();

/** The same file from `src`, where tests run, and from `dist`. */
const FILE = new URL('../../../dist/engine/wasm/kernels.wasm', import.meta.url);

/** The module on a backend's heap, compiled and bound at the first call for it. */
export function kernelModule(backend: BackendWasm): KernelModule {
  let found = modules.get(backend);
  if (found === undefined) {
    const { memory } = moduleOf(backend).asm;
    const { exports } = new Instance(new Module(readModule()), { env: { memory } });
    found = new KernelModule(backend, exports as KernelExports);
    modules.set(backend, found);
  }
  return found;
}

/** @throws InputError `engine-not-available` in a checkout that is not built. */
function readModule(): Buffer {
  try {
    return readFileSync(FILE);
  } catch (error) {
    throw new InputError('engine-not-available', 'the kernels of the wasm engine are missing', {
      file: FILE.pathname,
      found: error instanceof Error ? error.message : String(error),
      hint: 'in a checkout, run "npm run build"; else install the package anew',
    });
  }
}
