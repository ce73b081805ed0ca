/** The WebAssembly heap as the replacement kernels use it: typed views, block copies and names for parts of tensors. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';

/** What tfjs passes to a kernel. */
export interface KernelCall {
  inputs: NamedTensorInfoMap;
  backend: BackendWasm;
  attrs: NamedAttrMap;
}

export type Kernel = (call: KernelCall) => TensorInfo;

/** The parts of the Emscripten module that the replacements use; tfjs's types need a DOM library for them. */
export interface WasmModule {
  /** The whole heap. A new array after each growth: fetch it anew. */
  readonly HEAPU8: Uint8Array;
  /** Returns a byte address, 0 when the heap is full. */
  _malloc(bytes: number): number;
  _free(address: number): void;
  cwrap(name: string, returns: null, parameters: string[]): unknown;
  readonly tfjs: {
    registerTensor(id: number, size: number, address: number): void;
    disposeData(id: number): void;
  };
}

export function moduleOf(backend: BackendWasm): WasmModule {
  return backend.wasm as unknown as WasmModule;
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** A view of a float32 tensor's memory. It is stale after the next allocation: fetch it anew each time. */
export function floatView(backend: BackendWasm, x: TensorInfo): Float32Array {
  return backend.typedArrayFromHeap(x) as Float32Array;
}

/** Byte address of a tensor's first element. */
export function addressOf(backend: BackendWasm, x: TensorInfo): number {
  return backend.dataIdMap.get(x.dataId).memoryOffset;
}

export function bytesPerElement(x: TensorInfo): number {
  if (x.dtype === 'float32' || x.dtype === 'int32') return 4;
  if (x.dtype === 'bool') return 1;
  throw new TypeError(`tensors of type ${x.dtype} do not live on the WebAssembly heap`);
}

/**
 * Numbers under which the C++ side finds a window on memory that belongs to another tensor. They count down from
 * the top of int32, so they never meet tfjs's own, which count up from 1.
 */
const FIRST_ALIAS = 0x7fffffff;

/**
 * A name for `size` elements at a byte address, as a tensor that C++ kernels can read or write without a copy.
 * Only one alias a slot exists at a time. Forgetting an alias also frees what XNNPACK packed for it: the stock
 * matrix product otherwise keeps a second copy of every right operand for as long as that lives.
 */
export class HeapAlias {
  readonly id: number;

  constructor(
    private readonly backend: BackendWasm,
    slot: number,
  ) {
    this.id = FIRST_ALIAS - slot;
  }

  /** Runs `use` while the alias names the given part of the heap. */
  during(address: number, size: number, use: () => void): void {
    const { tfjs } = moduleOf(this.backend);
    tfjs.registerTensor(this.id, size, address);
    try {
      use();
    } finally {
      tfjs.disposeData(this.id);
    }
  }
}
