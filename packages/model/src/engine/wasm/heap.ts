/** The WebAssembly heap as the replacement kernels use it: typed views and addresses. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';

/** What tfjs passes to a kernel. */
export interface KernelCall {
  inputs: NamedTensorInfoMap;
  backend: BackendWasm;
  attrs: NamedAttrMap;
}

/** A kernel with one output, and one with a list of them. */
export type Kernel = (call: KernelCall) => TensorInfo;
export type ListKernel = (call: KernelCall) => TensorInfo[];

/** The parts of the Emscripten module that the replacements use; tfjs's types need a DOM library for them. */
export interface WasmModule {
  /** The whole heap. A new array after each growth: fetch it anew. */
  readonly HEAPU8: Uint8Array;
  /** Returns a byte address, 0 when the heap is full. */
  _malloc(bytes: number): number;
  _free(address: number): void;
  /** What the compiled C++ exports; the memory is what another module can import. */
  readonly asm: { readonly memory: object };
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
