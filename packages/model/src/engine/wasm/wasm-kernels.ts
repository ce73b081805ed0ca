/**
 * Kernels that replace or complete the WebAssembly backend's. Its transposed and batched matrix products run at a
 * twentieth of the plain one's speed, and it has no UnsortedSegmentSum (the gradient of gather).
 */
import * as tf from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

type WasmKernel = tf.KernelConfig['kernelFunc'];
interface KernelCall {
  inputs: tf.NamedTensorInfoMap;
  backend: BackendWasm;
  attrs: tf.NamedAttrMap;
}

let registered = false;

/** Registers the replacements, once a process. */
export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  const plain = tf.getKernel('BatchMatMul', 'wasm')!;
  tf.unregisterKernel('BatchMatMul', 'wasm');
  register('BatchMatMul', (call) => batchMatMul(call, plain.kernelFunc), plain.setupFunc);
  register('UnsortedSegmentSum', unsortedSegmentSum);
}

/** @param setupFunc binds the module's compiled functions that the kernel calls. */
function register(
  kernelName: string,
  kernel: (call: KernelCall) => tf.TensorInfo,
  setupFunc?: tf.KernelConfig['setupFunc'],
): void {
  tf.registerKernel({
    kernelName,
    backendName: 'wasm',
    kernelFunc: kernel as unknown as WasmKernel,
    ...(setupFunc === undefined ? {} : { setupFunc }),
  });
}

/** Products of two stacks [B, m, k] and [B, k, n]: operands are transposed first, then each pair is one plain product. */
function batchMatMul({ inputs, backend, attrs }: KernelCall, plain: WasmKernel): tf.TensorInfo {
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  const made: tf.TensorInfo[] = [];
  const straight = (x: tf.TensorInfo, transposed: boolean): tf.TensorInfo => {
    if (!transposed) return x;
    const axes = x.shape.map((_, axis) => axis);
    axes.push(axes.splice(-2, 1)[0]!);
    const result = runKernel(backend, 'Transpose', { x }, { perm: axes });
    made.push(result);
    return result;
  };
  const a = straight(inputs['a']!, transposeA);
  const b = straight(inputs['b']!, transposeB);
  const attributes = { transposeA: false, transposeB: false };
  const stack = Math.max(...a.shape.slice(0, -2), ...b.shape.slice(0, -2), 1);
  const result =
    stack === 1 || a.shape.length !== 3 || a.shape[0] !== b.shape[0]
      ? (plain({ inputs: { a, b }, backend, attrs: attributes } as never) as tf.TensorInfo)
      : stackedMatMul(backend, a, b, plain);
  for (const tensor of made) backend.disposeData(tensor.dataId);
  return result;
}

/** One plain product a pair of the stack, each on views of the operands' memory. */
function stackedMatMul(
  backend: BackendWasm,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  plain: WasmKernel,
): tf.TensorInfo {
  const [stack, m, k] = a.shape as [number, number, number];
  const n = b.shape[2]!;
  const output = backend.makeOutput([stack, m, n], 'float32');
  for (let i = 0; i < stack; i++) {
    const left = slice(backend, a, i, [1, m, k]);
    const right = slice(backend, b, i, [1, k, n]);
    const attrs = { transposeA: false, transposeB: false };
    const product = plain({ inputs: { a: left, b: right }, backend, attrs } as never) as tf.TensorInfo;
    values(backend, output).set(values(backend, product), i * m * n);
    for (const tensor of [left, right, product]) backend.disposeData(tensor.dataId);
  }
  return output;
}

function slice(backend: BackendWasm, x: tf.TensorInfo, index: number, shape: number[]): tf.TensorInfo {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const copy = backend.makeOutput(shape, 'float32');
  values(backend, copy).set(values(backend, x).subarray(index * size, (index + 1) * size));
  return copy;
}

/** A view of a tensor's memory. It is stale after the next allocation: fetch it anew each time. */
function values(backend: BackendWasm, x: tf.TensorInfo): Float32Array {
  return backend.typedArrayFromHeap(x) as Float32Array;
}

/** Sums of the rows of x: [N, …] by segment: [numSegments, …]; ids out of range are left out, as tfjs defines it. */
function unsortedSegmentSum({ inputs, backend, attrs }: KernelCall): tf.TensorInfo {
  const x = inputs['x']!;
  const { numSegments } = attrs as { numSegments: number };
  const output = backend.makeOutput([numSegments, ...x.shape.slice(1)], 'float32');
  const ids = backend.typedArrayFromHeap(inputs['segmentIds']!) as Int32Array;
  const rows = values(backend, x);
  const sums = values(backend, output).fill(0);
  const width = x.shape.slice(1).reduce((product, extent) => product * extent, 1);
  for (let row = 0; row < ids.length; row++) {
    const segment = ids[row]!;
    if (segment < 0 || segment >= numSegments) continue;
    for (let i = 0; i < width; i++) sums[segment * width + i]! += rows[row * width + i]!;
  }
  return output;
}

function runKernel(
  backend: BackendWasm,
  name: string,
  inputs: Record<string, tf.TensorInfo>,
  attrs: Record<string, unknown>,
): tf.TensorInfo {
  const kernel = tf.getKernel(name, 'wasm')!;
  return kernel.kernelFunc({ inputs, backend, attrs } as never) as tf.TensorInfo;
}
